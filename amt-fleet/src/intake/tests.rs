//! The intake over real sockets.
