//! The simulator's command line.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use ec2sim::{Report, Server, Sim, WorldSpec};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(version, about = "A simulator of EC2 images, KMS keys and STS roles")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a world until interrupted; prints the endpoint.
    Serve {
        /// World file (YAML).
        #[arg(long)]
        world: PathBuf,
        /// Port on the loopback interface; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Simulated seconds per real second; absent: as the world says.
        #[arg(long)]
        speed: Option<f64>,
        /// Write the port into this file once it serves.
        #[arg(long)]
        port_file: Option<PathBuf>,
    },
    /// Judge the world of a running simulator; exit status 0 when nothing is wrong, else 1.
    Audit {
        /// As printed by serve.
        #[arg(long)]
        endpoint: String,
        /// For people or for programs.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Check a world file.
    Check {
        /// World file (YAML).
        #[arg(long)]
        world: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    match run(Args::parse().command) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("ec2sim: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Serve {
            world,
            port,
            speed,
            port_file,
        } => serve(&world, port, speed, port_file.as_deref()),
        Command::Audit { endpoint, output } => audit(&endpoint, output),
        Command::Check { world } => {
            let sim = Sim::new(&load(&world)?).map_err(|e| e.to_string())?;
            let images = sim.with_world(|w| w.regions().map(|(_, r)| r.images.len()).sum::<usize>());
            println!("{}: good, {images} images", world.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(path: &Path) -> Result<WorldSpec, String> {
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("can not read the world file {}: {e}", path.display()))?;
    WorldSpec::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn serve(world: &Path, port: u16, speed: Option<f64>, port_file: Option<&Path>) -> Result<ExitCode, String> {
    let mut spec = load(world)?;
    if let Some(speed) = speed {
        spec.clock.speed = speed;
    }
    let sim = Sim::new(&spec).map_err(|e| format!("{}: {e}", world.display()))?;
    let server = Server::start(sim, SocketAddr::from(([127, 0, 0, 1], port)))
        .map_err(|e| format!("can not listen on port {port}: {e}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let no_signals = |e: std::io::Error| format!("can not wait for signals: {e}");
    // Whoever learns the address may end this at once.
    let mut terminated = {
        let _context = runtime.enter();
        signal(SignalKind::terminate()).map_err(no_signals)?
    };
    println!("{}", server.endpoint());
    if let Some(path) = port_file {
        write_whole(path, &server.address().port().to_string())
            .map_err(|e| format!("can not write the port file {}: {e}", path.display()))?;
    }
    let stopped = async {
        tokio::select! {
            _ = terminated.recv() => Ok(()),
            stopped = ec2sim::until_stopped() => stopped,
        }
    };
    runtime.block_on(stopped).map_err(no_signals)?;
    Ok(ExitCode::SUCCESS)
}

/// A reader sees the whole file or none.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, text)?;
    std::fs::rename(part, path)
}

fn audit(endpoint: &str, output: Output) -> Result<ExitCode, String> {
    let body = get(endpoint, "/_sim/audit")?;
    let report: Report =
        serde_json::from_str(&body).map_err(|e| format!("{endpoint} does not answer as this simulator does: {e}"))?;
    match output {
        Output::Text => print!("{report}"),
        Output::Json => println!("{body}"),
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One GET over plain HTTP, enough for our own server.
fn get(endpoint: &str, path: &str) -> Result<String, String> {
    let host = endpoint
        .strip_prefix("http://")
        .ok_or_else(|| format!("the endpoint `{endpoint}` must begin with http://"))?
        .trim_end_matches('/');
    let failed = |e: std::io::Error| format!("can not reach {endpoint}: {e}");
    let mut stream = TcpStream::connect(host).map_err(failed)?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .ok_or_else(|| format!("{endpoint} does not answer HTTP"))
}
