//! The ESP-IDF NVS partition format: images as Espressif's generator writes them, storage as the firmware sees it.
#![no_std]
extern crate alloc;
