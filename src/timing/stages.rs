//! What happens in a request, stage by stage; equal stages that follow each other are kept once.
//!
//! Knows how often stages, and tiles of them, repeat. Must not know when they happen.

use std::ops::Range;

use crate::mapping::Buffer;

/// What the array does between two waits for memory: occupancies and distances in cycles, 0 where there is
/// nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Channel: weights.
    pub load_weights: u64,
    /// Channel: input and shortcut.
    pub load_input: u64,
    /// Channel: partial sums that come back, which the stage before spilled.
    pub load_partial_sums: u64,
    /// Vector unit: the input's copy on the operand's grid.
    pub quantize: u64,
    /// Array: from the start of the stage before, in the same layer.
    pub gap: u64,
    /// Array: weights are on chip so long before the start.
    pub weight_lead: u64,
    /// Array: the input is on chip so long before the start.
    pub input_lead: u64,
    /// Array: from the start until the weights' buffer is free.
    pub weights_used: u64,
    /// Array: from the start until the input's buffer is free.
    pub input_used: u64,
    /// Array: from the start until the last sum is readable.
    pub array: u64,
    /// Array: from the start until sums begin to reach the accumulators, at most.
    pub fill: u64,
    /// Vector unit: results.
    pub vector: u64,
    /// Channel: results.
    pub store: u64,
    /// Channel: partial sums that do not fit.
    pub store_partial_sums: u64,
    /// Weight scratchpad.
    pub weight_buffer: Buffer,
    /// Activation scratchpad, input side.
    pub input_buffer: Buffer,
    /// Accumulator scratchpad.
    pub accumulator_buffer: Buffer,
    /// Activation scratchpad, output side.
    pub output_buffer: Buffer,
}

/// A stage's place among the distinct ones.
pub(super) type StageIndex = usize;

/// A stage, and how often it follows itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) stage: StageIndex,
    pub(super) times: u64,
}

/// Runs that follow each other, and how often they do so together.
#[derive(Clone, Debug)]
struct Block {
    runs: Range<usize>,
    times: u64,
}

/// The stages that a tile goes through after its first one: blocks of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest(Range<usize>);

/// A tile, and how often it follows itself.
#[derive(Clone, Debug)]
struct Tile {
    first: StageIndex,
    rest: Rest,
    times: u64,
}

/// The stages of a request: layers of tiles of blocks of runs.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    distinct: Vec<Stage>,
    runs: Vec<Run>,
    blocks: Vec<Block>,
    /// Where the runs begin that no block has yet, and the blocks that no tile has.
    open_runs: usize,
    open_blocks: usize,
    tiles: Vec<Tile>,
    /// The tiles of each layer.
    layers: Vec<Range<usize>>,
}

impl Stages {
    /// The next stages are those of the next layer.
    pub fn begin_layer(&mut self) {
        self.layers.push(self.tiles.len()..self.tiles.len());
    }

    /// The next layer has the stages of an earlier one.
    pub(super) fn repeat_layer(&mut self, layer: usize) {
        self.layers.push(self.layers[layer].clone());
    }

    /// Adds a stage, `times` times, to the block that is being made.
    pub fn push(&mut self, stage: Stage, times: u64) {
        match self.runs[self.open_runs..].last_mut() {
            Some(run) if self.distinct[run.stage] == stage => run.times += times,
            _ => {
                self.runs.push(Run { stage: self.distinct.len(), times });
                self.distinct.push(stage);
            }
        }
    }

    /// Ends a block; one like the block before is kept as that one, coming once more.
    pub fn end_block(&mut self) {
        let runs = self.open_runs..self.runs.len();
        let Some(&Run { stage: first, .. }) = self.runs[runs.clone()].first() else { return };
        let same = |(one, other): (&Run, &Run)| {
            one.times == other.times && self.distinct[one.stage] == self.distinct[other.stage]
        };
        match self.blocks[self.open_blocks..].last_mut() {
            Some(block)
                if block.runs.len() == runs.len()
                    && self.runs[block.runs.clone()].iter().zip(&self.runs[runs.clone()]).all(same) =>
            {
                block.times += 1;
                self.runs.truncate(runs.start);
                self.distinct.truncate(first);
            }
            _ => self.blocks.push(Block { runs, times: 1 }),
        }
        self.open_runs = self.runs.len();
    }

    /// The blocks ended since the last tile: those of a tile after its first stage.
    pub fn rest(&mut self) -> Rest {
        self.end_block();
        let blocks = self.open_blocks..self.blocks.len();
        self.open_blocks = blocks.end;
        Rest(blocks)
    }

    /// The layer's next tile.
    pub fn place(&mut self, first: Stage, rest: &Rest) {
        let layer = self.layers.last_mut().expect("a layer has begun");
        match self.tiles[layer.clone()].last_mut() {
            Some(tile) if tile.rest == *rest && self.distinct[tile.first] == first => tile.times += 1,
            _ => {
                self.tiles.push(Tile { first: self.distinct.len(), rest: rest.clone(), times: 1 });
                self.distinct.push(first);
                layer.end += 1;
            }
        }
    }

    pub(super) fn distinct(&self) -> &[Stage] {
        &self.distinct
    }

    pub(super) fn distinct_mut(&mut self) -> &mut [Stage] {
        &mut self.distinct
    }

    /// The tiles of every layer.
    pub(super) fn layers(&self) -> impl Iterator<Item = impl Iterator<Item = TileOf<'_>>> {
        (0..self.layers.len()).map(|layer| self.tiles(layer))
    }

    fn tiles(&self, layer: usize) -> impl Iterator<Item = TileOf<'_>> {
        self.tiles[self.layers[layer].clone()].iter().map(|tile| TileOf { stages: self, tile })
    }

    /// The sum of `of` over a layer's stages.
    pub(super) fn sum(&self, layer: usize, of: impl Fn(&Stage) -> u64) -> u64 {
        let of = |stage: StageIndex| of(&self.distinct[stage]);
        let runs = |runs: &[Run]| runs.iter().map(|run| run.times * of(run.stage)).sum::<u64>();
        let tile = |tile: TileOf<'_>| {
            let rest: u64 = tile.blocks().map(|(block, times)| times * runs(block)).sum();
            tile.times() * (of(tile.first()) + rest)
        };
        self.tiles(layer).map(tile).sum()
    }

    /// All stages in execution order, each with its layer.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Stage)> {
        let repeated = |stages: Vec<StageIndex>, times: u64| (0..times).flat_map(move |_| stages.clone());
        let block = move |(runs, times): (&[Run], u64)| {
            repeated(runs.iter().flat_map(|run| (0..run.times).map(|_| run.stage)).collect(), times)
        };
        let tile = move |tile: TileOf<'_>| {
            repeated(
                std::iter::once(tile.first()).chain(tile.blocks().flat_map(block)).collect(),
                tile.times(),
            )
        };
        (0..self.layers.len()).flat_map(move |layer| {
            self.tiles(layer).flat_map(tile).map(move |stage| (layer, &self.distinct[stage]))
        })
    }
}

/// A tile of some stages.
#[derive(Clone, Copy)]
pub(super) struct TileOf<'a> {
    stages: &'a Stages,
    tile: &'a Tile,
}

impl<'a> TileOf<'a> {
    pub(super) fn first(self) -> StageIndex {
        self.tile.first
    }

    /// Its blocks after the first stage, and how often each comes.
    pub(super) fn blocks(self) -> impl Iterator<Item = (&'a [Run], u64)> {
        let Self { stages, tile } = self;
        stages.blocks[tile.rest.0.clone()].iter().map(|block| (&stages.runs[block.runs.clone()], block.times))
    }

    /// How often the tile comes.
    pub(super) fn times(self) -> u64 {
        self.tile.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(array: u64) -> Stage {
        Stage { array, ..Stage::default() }
    }

    #[test]
    fn what_repeats_is_kept_once_and_comes_as_often() {
        let mut stages = Stages::default();
        stages.begin_layer();
        for array in [2, 3, 2, 3, 2, 2] {
            stages.push(stage(array), 1);
            if array == 3 {
                stages.end_block();
            }
        }
        let rest = stages.rest();
        (0..2).for_each(|_| stages.place(stage(1), &rest));
        stages.place(stage(4), &rest);
        stages.repeat_layer(0);
        let once = [1, 2, 3, 2, 3, 2, 2, 1, 2, 3, 2, 3, 2, 2, 4, 2, 3, 2, 3, 2, 2];
        let expected: Vec<(usize, u64)> =
            [0, 1].into_iter().flat_map(|layer| once.map(|array| (layer, array))).collect();
        assert_eq!(stages.iter().map(|(layer, stage)| (layer, stage.array)).collect::<Vec<_>>(), expected);
        assert_eq!(stages.sum(1, |stage| stage.array), once.iter().sum::<u64>());
        assert_eq!(stages.distinct().len(), 5, "2, 3 of the first block, 2 of the last, 1 and 4");
    }
}
