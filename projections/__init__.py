"""Read views, made from the events that store/ keeps."""
