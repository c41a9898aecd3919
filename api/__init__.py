"""The HTTP door: Falcon resources and staff pages; service/ hands it the parts it needs."""
