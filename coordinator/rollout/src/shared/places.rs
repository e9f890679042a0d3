use std::sync::Arc;

/// Words of a chunk: what a write copies while it is shared.
const WORDS: usize = 64;
/// Numbers of a chunk.
const CHUNK: u32 = 64 * WORDS as u32;

type Chunk = [u64; WORDS];

/// A set of small numbers, as bits in shared chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// None where a chunk has no number; the last is never none.
    chunks: Vec<Option<Arc<Chunk>>>,
    count: usize,
}

static EMPTY: Places = Places::EMPTY;

impl Places {
    pub(crate) const EMPTY: Self = Self {
        chunks: Vec::new(),
        count: 0,
    };

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn contains(&self, place: u32) -> bool {
        let (chunk, word, bit) = split(place);
        let chunk = self.chunks.get(chunk).and_then(Option::as_ref);
        chunk.is_some_and(|chunk| chunk[word] & bit != 0)
    }

    pub(crate) fn insert(&mut self, place: u32) {
        if self.contains(place) {
            return;
        }
        let (at, word, bit) = split(place);
        if self.chunks.len() <= at {
            self.chunks.resize(at + 1, None);
        }
        let chunk = self.chunks[at].get_or_insert_with(|| Arc::new([0; WORDS]));
        Arc::make_mut(chunk)[word] |= bit;
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, place: u32) {
        if !self.contains(place) {
            return;
        }
        let (at, word, bit) = split(place);
        if let Some(chunk) = &mut self.chunks[at] {
            let chunk = Arc::make_mut(chunk);
            chunk[word] &= !bit;
            if chunk.iter().all(|word| *word == 0) {
                self.chunks[at] = None;
            }
        }
        while self.chunks.last().is_some_and(Option::is_none) {
            self.chunks.pop();
        }
        self.count -= 1;
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.without(&EMPTY)
    }

    /// Those that are not in the other, in order.
    pub(crate) fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        self.words(other).flat_map(|(first, of, other)| Bits {
            first,
            word: of & !other,
        })
    }

    /// How many are in both.
    pub(crate) fn count_with(&self, other: &Self) -> usize {
        let both = self
            .words(other)
            .map(|(_, of, other)| (of & other).count_ones());
        both.sum::<u32>() as usize
    }

    /// Our words that are not in empty chunks, with the number of their first
    /// bit and the other's word.
    fn words<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u32, u64, u64)> + 'a {
        let chunks = (0u32..).zip(&self.chunks);
        chunks
            .filter_map(|(at, chunk)| Some((at, chunk.as_ref()?)))
            .flat_map(move |(at, chunk)| {
                let other = other.chunks.get(at as usize).and_then(Option::as_ref);
                (0u32..).zip(chunk.iter()).map(move |(place, word)| {
                    let other = other.map_or(0, |chunk| chunk[place as usize]);
                    (at * CHUNK + place * 64, *word, other)
                })
            })
    }
}

fn split(place: u32) -> (usize, usize, u64) {
    let in_chunk = place % CHUNK;
    (
        (place / CHUNK) as usize,
        (in_chunk / 64) as usize,
        1 << (in_chunk % 64),
    )
}

/// The numbers of one word.
struct Bits {
    first: u32,
    word: u64,
}

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.word == 0 {
            return None;
        }
        let bit = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(self.first + bit)
    }
}
