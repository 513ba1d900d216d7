//! `systolab sweep`: design-space sweeps on all cores, and the contract for engines that use more.

mod run;

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::explore::{Objective, PointSpec, Status, Sweep, Workbench};
use crate::sweep::{self, Failed, PointFormats, ResultFolder};

use super::words::OneOf;
use super::{Answer, Failure, note, print};

/// How long points are computed for an estimate of the time.
const LONGEST_SAMPLE: Duration = Duration::from_millis(300);

/// More points than this are computed or listed only when asked twice.
const MOST_WITHOUT_YES: u64 = 100_000;

/// Sweep a design space: axes over any key of design and network, on all cores or on any engine
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a sweep file: its key paths, the number of points, an estimate of the time
    Check {
        /// The sweep file
        #[arg(value_name = "SWEEP.toml")]
        sweep: PathBuf,
    },
    /// Compute every point into a folder, on all cores; run again to resume
    Run {
        /// The sweep file
        #[arg(value_name = "SWEEP.toml")]
        sweep: PathBuf,
        /// Folder of the results
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// What the fronts are of
        #[command(flatten)]
        objectives: Objectives,
        #[command(flatten)]
        formats: Formats,
        /// Compute points that failed before again
        #[arg(long)]
        retry_failed: bool,
        /// Accept more than 100,000 points
        #[arg(long)]
        yes: bool,
    },
    /// Print one point per line, for engines that share out lines
    Expand {
        /// The sweep file
        #[arg(value_name = "SWEEP.toml")]
        sweep: PathBuf,
        /// Accept more than 100,000 points
        #[arg(long)]
        yes: bool,
    },
    /// Compute one point into its own file DIR/ID.json; does nothing if it is there
    Point {
        /// A line of `expand`, an id of --points, or `-` for lines from stdin
        #[arg(value_name = "POINT")]
        point: String,
        /// Where an id is looked up
        #[arg(long, value_name = "POINTS.jsonl")]
        points: Option<PathBuf>,
        /// Folder of the results
        #[arg(long, value_name = "DIR", default_value = "results")]
        out: PathBuf,
    },
    /// Gather a folder's results: points.csv, fronts.csv, the fronts as a table
    Merge {
        /// Folder of the results
        #[arg(value_name = "DIR")]
        results: PathBuf,
        /// The points that must be there, in their order; default: whatever is there, by id
        #[arg(long, value_name = "POINTS.jsonl")]
        points: Option<PathBuf>,
        /// What the fronts are of
        #[command(flatten)]
        objectives: Objectives,
        #[command(flatten)]
        formats: Formats,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct Objectives {
    /// What the fronts are of, two or more
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        value_parser = OneOf(&Objective::NAMED),
        default_value = "latency,energy"
    )]
    objectives: Vec<Objective>,
}

#[derive(Clone, Debug, clap::Args)]
struct Formats {
    /// Write results.parquet too: points.csv with typed columns (built with the feature `parquet`)
    #[arg(long)]
    parquet: bool,
}

impl Formats {
    fn chosen(&self) -> Result<PointFormats, Failure> {
        if self.parquet { Ok(PointFormats::with_parquet()?) } else { Ok(PointFormats::Csv) }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Check { sweep } => check(sweep),
        Command::Run { sweep, out, objectives, formats, retry_failed, yes } => {
            let formats = formats.chosen()?;
            let (sweep, workbench) = sweep::load(sweep)?;
            if !yes {
                refuse_many(&sweep)?;
            }
            let failed = if *retry_failed { Failed::ComputedAgain } else { Failed::Kept };
            run::run(sweep, workbench, out, &objectives.objectives, failed, formats)
        }
        Command::Expand { sweep, yes } => {
            let (sweep, workbench) = sweep::load(sweep)?;
            if !yes {
                refuse_many(&sweep)?;
            }
            expand(&sweep, &workbench)
        }
        Command::Point { point, points, out } => {
            let entries = entries(point, points.as_deref())?;
            compute(entries, out)
        }
        Command::Merge { results, points, objectives, formats } => {
            let formats = formats.chosen()?;
            let folder = ResultFolder::read(results)?;
            let expected = points.as_deref().map(expected_ids).transpose()?;
            folder.warnings().iter().for_each(|warning| note(warning));
            let summary = sweep::write_tables(&folder, results, expected, &objectives.objectives, formats)?;
            run::tell(&summary, results, &objectives.objectives)
        }
    }
}

fn refuse_many(sweep: &Sweep) -> Result<(), Failure> {
    if sweep.points() > MOST_WITHOUT_YES {
        return Err(format!(
            "{} points; look at `systolab sweep check` first, and add --yes to go on",
            sweep.points()
        )
        .into());
    }
    Ok(())
}

fn check(path: &Path) -> Result<Answer, Failure> {
    let (sweep, workbench) = sweep::load(path)?;
    let points = sweep.points();
    let threads = rayon::current_num_threads();
    // Multiples of the golden ratio, less their whole parts, are spread evenly however many there are.
    let sample = |at: u64| ((at as f64 * 0.618_033_988_749_895).fract() * points as f64) as u64;
    let evaluate = |at: u64| workbench.resolve(sweep.point(sample(at))).map(|resolved| resolved.evaluate());
    evaluate(0)?; // the first is slower than all others
    let clock = ProgressBar::hidden();
    let mut sampled = 0;
    while sampled == 0 || (clock.elapsed() < LONGEST_SAMPLE && sampled < points) {
        let until = sampled + 4 * threads as u64;
        (sampled..until).into_par_iter().try_for_each(|at| evaluate(at).map(|_| ()))?;
        sampled = until;
    }
    let seconds = clock.elapsed().as_secs_f64() / sampled as f64 * points as f64;
    let time = match seconds {
        ..1.0 => "less than a second".to_owned(),
        1.0..120.0 => format!("about {seconds:.0} s"),
        120.0..7200.0 => format!("about {:.0} min", seconds / 60.0),
        _ => format!("about {:.0} h", seconds / 3600.0),
    };
    print(&format!("{points} points\n"))?;
    note(&format!("{time} on {threads} threads, from {sampled} points"));
    Ok(Answer::Yes)
}

fn expand(sweep: &Sweep, workbench: &Workbench) -> Result<Answer, Failure> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    for index in 0..sweep.points() {
        let line = serde_json::to_string(&workbench.resolve(sweep.point(index))?.spec())?;
        if let Err(error) = writeln!(stdout, "{line}") {
            return match error.kind() {
                std::io::ErrorKind::BrokenPipe => Ok(Answer::Yes),
                _ => Err(format!("cannot write to stdout: {error}").into()),
            };
        }
    }
    stdout.flush().map_err(|error| format!("cannot write to stdout: {error}"))?;
    Ok(Answer::Yes)
}

fn spec(line: &str) -> Result<PointSpec, Failure> {
    serde_json::from_str(line)
        .map_err(|error| format!("not a line of `systolab sweep expand`: {error}: {line}").into())
}

fn entries(point: &str, points: Option<&Path>) -> Result<Vec<PointSpec>, Failure> {
    if point == "-" {
        let lines = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|error| format!("stdin: cannot read: {error}"))?;
        return lines.iter().filter(|line| !line.trim().is_empty()).map(|line| spec(line)).collect();
    }
    if point.trim_start().starts_with('{') {
        return Ok(vec![spec(point)?]);
    }
    let points = points.ok_or_else(|| format!("`{point}`: an id is looked up in --points POINTS.jsonl"))?;
    for line in lines(points)? {
        let spec = spec(&line?)?;
        if spec.id.as_deref() == Some(point) {
            return Ok(vec![spec]);
        }
    }
    Err(format!("{}: no point `{point}`", points.display()).into())
}

fn lines(path: &Path) -> Result<impl Iterator<Item = Result<String, Failure>>, Failure> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| format!("{shown}: cannot read: {error}"))?;
    Ok(std::io::BufReader::new(file)
        .lines()
        .map(move |line| line.map_err(|error| format!("{shown}: cannot read: {error}").into())))
}

fn expected_ids(path: &Path) -> Result<Vec<u64>, Failure> {
    lines(path)?
        .map(|line| {
            let id = spec(&line?)?.id.unwrap_or_default();
            sweep::number(&id).ok_or_else(|| format!("{}: a line without an id", path.display()).into())
        })
        .collect()
}

fn compute(specs: Vec<PointSpec>, out: &Path) -> Result<Answer, Failure> {
    let mut workbench = sweep::workbench();
    let mut answer = Answer::Yes;
    std::fs::create_dir_all(out).map_err(|error| format!("{}: cannot create: {error}", out.display()))?;
    for spec in specs {
        sweep::add_bases(&mut workbench, &spec)?;
        let resolved = workbench.resolve(spec)?;
        let result = match sweep::read_point(out, resolved.id()) {
            Some(known) => known,
            None => {
                let result = resolved.evaluate();
                sweep::write_point(out, &result)?;
                result
            }
        };
        if let (Status::Error, Some(reason)) = (result.status, &result.reason) {
            note(&format!("{}: {reason}", result.id));
            answer = Answer::No;
        }
    }
    Ok(answer)
}
