from datetime import datetime, timedelta, timezone

from rainlog import hourly, lost_while_swinging, read_tips

NOON = datetime(2024, 11, 22, 12, tzinfo=timezone.utc)


def test_a_bouncing_switch_counts_once():
    log = [
        "tip",
        "2024-11-22T12:00:00.000Z",
        "2024-11-22T12:00:00.003Z",
        "",
        "2024-11-22T12:00:09.000Z",
    ]
    assert read_tips(log) == [NOON, NOON + timedelta(seconds=9)]


def test_drizzle_needs_no_correction_and_a_cloudburst_does():
    assert lost_while_swinging(0.2, 3600) == 0
    assert round(lost_while_swinging(0.2, 3.6) / 0.2, 2) == 0.11


def test_rain_is_booked_on_the_hour_of_its_tip():
    tips = [NOON + timedelta(minutes=m) for m in (10, 45, 75)]
    assert hourly(tips, 0.2) == {NOON: 0.4, NOON + timedelta(hours=1): 0.2}
