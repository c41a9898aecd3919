"""The desk: devices, their pages, and the spool in which pages lie until the archive has them."""
