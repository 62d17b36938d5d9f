//! Bytes from the kernel: load, attach, ring buffer, task iterator, /proc.
