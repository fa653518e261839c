//! The README, held to the demo.
