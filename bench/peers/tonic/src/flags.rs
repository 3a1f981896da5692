//! --name=value, and --name for "true".

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

pub struct Flags {
    program: &'static str,
    values: HashMap<String, String>,
}

impl Flags {
    /// The command line over `defaults`. Exits with 2 when it has something that is not among them.
    pub fn parse(program: &'static str, defaults: &[(&str, &str)]) -> Flags {
        let values = defaults.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut flags = Flags { program, values };
        for argument in std::env::args().skip(1) {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, "true"));
            match name.strip_prefix("--").and_then(|name| flags.values.get_mut(name)) {
                Some(slot) => *slot = value.to_string(),
                None => flags.fail(&format!("unexpected argument '{argument}'")),
            }
        }
        flags
    }

    pub fn text(&self, name: &str) -> &str {
        &self.values[name]
    }

    pub fn get<T: FromStr>(&self, name: &str) -> T {
        self.text(name).parse().unwrap_or_else(|_| self.fail(&format!("--{name}={} makes no sense", self.text(name))))
    }

    /// 5s, 500ms
    #[allow(dead_code)]
    pub fn duration(&self, name: &str) -> Duration {
        let text = self.text(name);
        let parsed = match text.strip_suffix("ms") {
            Some(number) => number.parse::<f64>().map(|n| n / 1e3),
            None => text.strip_suffix('s').unwrap_or("no unit").parse::<f64>(),
        };
        match parsed {
            Ok(seconds) if (0.0..1e9).contains(&seconds) => Duration::from_secs_f64(seconds),
            _ => self.fail(&format!("--{name}={text} is no time such as 500ms or 5s")),
        }
    }

    pub fn fail(&self, why: &str) -> ! {
        eprintln!("{}: {why}", self.program);
        std::process::exit(2)
    }
}

/// `--threads`, of which 0 is one per core.
pub fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let threads = if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, |n| n.get()) };
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a tokio runtime")
}
