//! Two images compared by namespace and key.
