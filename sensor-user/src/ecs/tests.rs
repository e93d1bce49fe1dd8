//! Documents against their schemas.
