"""Chat on web pages: the widget, and the routes that it and apps talk to."""
