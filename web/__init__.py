"""HTTP itself: the worker, the guard before the application, uploads, headers, problems. It knows no resource."""
