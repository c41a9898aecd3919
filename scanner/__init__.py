"""The scan station of a desk: devices, their pages, and the spool that keeps pages until the archive has stored
them."""
