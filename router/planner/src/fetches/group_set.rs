//! Sets of groups, by index: one goes up from every selection set, so that they are bits.

use smallvec::SmallVec;

const BITS: usize = u64::BITS as usize;

/// Indices of groups. Most plans have fewer than its own words hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct GroupSet(SmallVec<[u64; 2]>);

impl GroupSet {
    pub(crate) fn insert(&mut self, group: usize) {
        self.grow(group / BITS + 1);
        self.0[group / BITS] |= 1 << (group % BITS);
    }

    /// Inserts all of another.
    pub(crate) fn unite(&mut self, other: &Self) {
        self.grow(other.0.len());
        for (word, added) in self.0.iter_mut().zip(&other.0) {
            *word |= added;
        }
    }

    /// By rising index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(index, word)| {
            let bits = (0..BITS).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| index * BITS + bit).take(word.count_ones() as usize)
        })
    }

    fn grow(&mut self, words: usize) {
        while self.0.len() < words {
            self.0.push(0);
        }
    }
}

impl Extend<usize> for GroupSet {
    fn extend<T: IntoIterator<Item = usize>>(&mut self, groups: T) {
        groups.into_iter().for_each(|group| self.insert(group));
    }
}

impl FromIterator<usize> for GroupSet {
    fn from_iter<T: IntoIterator<Item = usize>>(groups: T) -> Self {
        let mut set = Self::default();
        set.extend(groups);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in_by_rising_index() {
        let mut set: GroupSet = [200, 3].into_iter().collect();
        set.unite(&[64, 3, 0].into_iter().collect());
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3, 64, 200]);
        let mut shorter: GroupSet = [5].into_iter().collect();
        shorter.unite(&set);
        assert_eq!(shorter.iter().collect::<Vec<_>>(), [0, 3, 5, 64, 200]);
    }
}
