//! The Fleetmint service as a library.
