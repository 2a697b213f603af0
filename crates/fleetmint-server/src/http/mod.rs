//! The router and what every answer has in common.
