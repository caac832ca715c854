//! The hello message.
