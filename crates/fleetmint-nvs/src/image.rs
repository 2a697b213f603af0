//! Fresh images in the layout of Espressif's generator.
