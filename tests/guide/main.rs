//! The guide and the README say what is so: every command that they show is run, and its output compared.
//!
//! `docs/guide.md` is followed from its first line to its last on a real API server and a simulated AWS, by these rules:
//!
//! - A line that begins with `$ ` in a block marked `console` is a command; one that ends with `\` goes on in the next. The
//!   lines below it are its output, errors included. A command that shows no output may print anything. All must succeed.
//! - In the output `…` stands for some text of one line, and alone on a line for any number of lines. How many spaces there
//!   are between two words does not matter.
//! - A block marked `yaml` or `json` is a file. The sentence before it ends with the file's name in backquotes and a colon.
//! - `<!-- aws: … -->`, which no reader sees, is what somebody does in AWS at this point: an edit of the simulator.
//! - Commands that only look, such as `kubectl get`, are repeated for a while until they show what they should.
//!
//! The policies for IAM that the guide shows are those of the simulated roles, and each action in them has to be used.

mod document;
mod following;
mod readme;
mod rights;
mod shell;
mod shown;
mod stage;
