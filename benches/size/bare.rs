//! What `amiseal plan` is compared with: a bare loop over the SDK's two paginators, which keeps nothing.

use anyhow::Result;
use aws_config::BehaviorVersion;

use crate::digest::Digest;

/// As many as AWS gives on a page.
const PAGE: i32 = 1000;

/// Reads all images and all snapshots of the account, and prints what they amount to.
pub(crate) async fn run() -> Result<()> {
    let config = Box::pin(aws_config::load_defaults(BehaviorVersion::v2026_01_12())).await;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let mut digest = Digest::default();
    let mut pages = ec2
        .describe_images()
        .owners("self")
        .include_disabled(true)
        .include_deprecated(true)
        .max_results(PAGE)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        for image in page?.images() {
            digest.images += 1;
            let id = image.image_id().unwrap_or_default();
            let volumes = || image.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
            let snapshots = volumes().filter(|volume| volume.snapshot_id().is_some()).count();
            if volumes().any(|volume| volume.encrypted() == Some(false)) {
                digest.add(id, u64::try_from(snapshots)?);
            } else if let Some(source) = image.source_image_id() {
                digest.remove(source, u64::try_from(snapshots)?);
            }
        }
    }
    let mut pages = ec2
        .describe_snapshots()
        .owner_ids("self")
        .max_results(PAGE)
        .into_paginator()
        .send();
    let mut snapshots: u64 = 0;
    while let Some(page) = pages.next().await {
        for snapshot in page?.snapshots() {
            snapshots += u64::from(snapshot.encrypted().is_some());
        }
    }
    println!("{}", serde_json::json!({"digest": digest, "snapshots": snapshots}));
    Ok(())
}
