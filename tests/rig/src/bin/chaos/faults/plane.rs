//! What happens to the programs of the control plane.

use anyhow::Result;
use rig::Component;
use tokio::time::Instant;

use super::Struck;
use crate::stage::Stage;

/// For how many seconds it is gone each time: first for less than a Lease holds, then for more, then for less.
const GONE: [std::ops::Range<f64>; 3] = [0.2..2.0, 7.0..9.0, 0.5..4.0];

/// Kills a program, and starts it again on what it had stored, several times while images migrate.
pub(super) async fn restarted(stage: &mut Stage, component: Component) -> Result<Struck> {
    let left = stage.left();
    let mut kills = 0;
    let mut ended = Instant::now();
    for gone in GONE {
        if kills > 0 {
            let between = stage.seconds(1.0..4.0);
            tokio::time::sleep(between).await;
        }
        if stage.left() == 0 {
            break;
        }
        stage.plane.stop(component).await?;
        kills += 1;
        let gone = stage.seconds(gone);
        tokio::time::sleep(gone).await;
        stage.plane.start_again(component).await?;
        ended = Instant::now();
    }
    Ok(Struck::new(kills, "kills", left, ended))
}
