//! Provisioning-certificate rules.
