//! A model of ESP-IDF's NVS library.
