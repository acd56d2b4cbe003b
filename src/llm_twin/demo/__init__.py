"""The bundled sample author, and the local server that publishes it."""
