"""The addresses of all WebSockets."""

websocket_urlpatterns: list = []
