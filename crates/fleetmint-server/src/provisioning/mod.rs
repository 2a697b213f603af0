//! Model, device and secret become an image.
