"""What is asked: views made from the events that store/ keeps."""
