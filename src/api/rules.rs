//! The rules by which the API server refuses what cannot be right, each with a sentence that names the field and the
//! fix.
//!
//! They are CEL rather than `pattern` so that people read a sentence and not a regular expression. A rule on a region
//! runs up to 8,000 times for one policy (200 accounts of 40 regions), and the API server budgets for that both when
//! it takes the definition and when it takes a policy: keep those rules cheap, and every text that they read bounded.
//!
//! Each subject has its file. The types of this API name the rules of all of them as `rules::name`.

mod accounts;
mod allowed_images;
mod audit;
mod images;
mod keys;
mod objects;
mod promotion;
mod regions;
mod roles;
mod tags;
mod times;
mod validation;

pub(super) use self::accounts::*;
pub(super) use self::allowed_images::*;
pub(super) use self::audit::*;
pub(super) use self::images::*;
pub(super) use self::keys::*;
pub(super) use self::objects::*;
pub(super) use self::promotion::*;
pub(super) use self::regions::*;
pub(super) use self::roles::*;
pub(super) use self::tags::*;
pub(super) use self::times::*;
pub(super) use self::validation::*;
