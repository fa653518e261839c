//! The rules of moving, by tables and by histories.

mod again;
mod case;
mod deleted;
mod disabled;
mod group;
mod histories;
mod kept;
mod one;
mod pacing;
mod parameter;
mod refresh;
mod store;
