//! What every scenario stands on.

mod definitions;
mod lanes;
mod replica;
mod rights;
mod scenario;
mod telling;
mod world;

pub(crate) use definitions::{Defined, LAUNCHING, MACHINE_TEMPLATE, NODE_CLASS};
pub(crate) use replica::{LEASE, Replica, SHARDS};
pub(crate) use rights::{everything, give, take_away, with_rights_of, without};
pub(crate) use scenario::{Scenario, USER, condition, conditions_of, name_of, on, once, says, state_of};
pub(crate) use world::{
    ACCOUNT, KEY, KEY_ARN, OTHER_ACCOUNT, REGION, account, plain, plain_ones, policy, region, small_world, with, world,
};
