use std::borrow::Borrow;
use std::mem;
use std::slice;
use std::sync::Arc;

/// Most entries of a node: a write copies one node a level while it is shared.
const WIDTH: usize = 32;

/// A node with fewer entries joins a neighbour that has room.
const THIN: usize = WIDTH / 4;

/// An ordered tree (B+) with shared nodes: all entries are in its leaves.
#[derive(Clone)]
pub(super) struct Tree<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

#[derive(Clone)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    /// The first one's key is not looked at.
    Inner(Vec<Child<K, V>>),
}

/// A node below another, with a key that none of its own is below.
type Child<K, V> = (K, Arc<Node<K, V>>);

/// What an insertion leaves to do for the level above: the old value, and the
/// right half of a node that had to be split.
struct Inserted<K, V> {
    old: Option<V>,
    right: Option<Child<K, V>>,
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self {
            root: Arc::new(Node::Leaf(Vec::new())),
            len: 0,
        }
    }
}

impl<K, V> Tree<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter {
            above: Vec::new(),
            leaf: [].iter(),
            left: self.len,
        };
        iter.descend(&self.root, |_| 0, |_| 0);
        iter
    }

    /// Whether both are one and the same tree; nothing is compared.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }
}

impl<K: Ord, V> Tree<K, V> {
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Inner(children) => node = &children[way(children, key)].1,
                Node::Leaf(entries) => return find(entries, key).ok().map(|at| &entries[at].1),
            }
        }
    }

    /// The entries after this key.
    pub(super) fn after<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let mut iter = Iter {
            above: Vec::new(),
            leaf: [].iter(),
            left: self.len,
        };
        let start = |entries: &[(K, V)]| find(entries, key).map_or_else(|at| at, |at| at + 1);
        iter.descend(&self.root, |children| way(children, key), start);
        iter
    }
}

impl<K: Ord + Clone, V: Clone> Tree<K, V> {
    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let mut node = &mut self.root;
        loop {
            match Arc::make_mut(node) {
                Node::Inner(children) => {
                    let way = way(children, key);
                    node = &mut children[way].1;
                }
                Node::Leaf(entries) => {
                    let at = find(entries, key).ok()?;
                    return Some(&mut entries[at].1);
                }
            }
        }
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Inserted { old, right } = insert(&mut self.root, key, value);
        if let Some((bound, right)) = right {
            let left = mem::replace(&mut self.root, Arc::new(Node::Inner(Vec::new())));
            self.root = Arc::new(Node::Inner(vec![(bound.clone(), left), (bound, right)]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // What is not there must not copy the way to it.
        self.get(key)?;
        let old = remove(&mut self.root, key)?;
        self.len -= 1;
        while let Node::Inner(children) = &*self.root
            && let [(_, only)] = children.as_slice()
        {
            self.root = only.clone();
        }
        Some(old)
    }

    /// Every value, to be written: copies every node that is shared.
    pub(super) fn for_each_mut(&mut self, mut write: impl FnMut(&K, &mut V)) {
        for_each_mut(&mut self.root, &mut write);
    }
}

/// Which child has the key, if any has.
fn way<K: Ord + Borrow<Q>, Q: Ord + ?Sized, C>(children: &[(K, C)], key: &Q) -> usize {
    children[1..].partition_point(|(bound, _)| bound.borrow() <= key)
}

fn find<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V>(
    entries: &[(K, V)],
    key: &Q,
) -> Result<usize, usize> {
    entries.binary_search_by(|(known, _)| known.borrow().cmp(key))
}

fn insert<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    value: V,
) -> Inserted<K, V> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match find(entries, &key) {
            Ok(at) => Inserted {
                old: Some(mem::replace(&mut entries[at].1, value)),
                right: None,
            },
            Err(at) => Inserted {
                old: None,
                right: put(entries, at, (key, value)).map(|right| {
                    let bound = right[0].0.clone();
                    (bound, Arc::new(Node::Leaf(right)))
                }),
            },
        },
        Node::Inner(children) => {
            let way = way(children, &key);
            let Inserted { old, right } = insert(&mut children[way].1, key, value);
            let right = right.and_then(|right| put(children, way + 1, right));
            let right = right.map(|right| (right[0].0.clone(), Arc::new(Node::Inner(right))));
            Inserted { old, right }
        }
    }
}

/// Puts one entry in its place. A node that is full is split: its right half
/// is the answer. What comes in order leaves full nodes behind.
fn put<T>(entries: &mut Vec<T>, at: usize, entry: T) -> Option<Vec<T>> {
    if entries.len() < WIDTH {
        reserve(entries);
        entries.insert(at, entry);
        return None;
    }
    if at == WIDTH {
        return Some(vec![entry]);
    }
    let mut right = entries.split_off(WIDTH / 2);
    entries.shrink_to_fit();
    let half = if at <= WIDTH / 2 {
        &mut *entries
    } else {
        &mut right
    };
    let at = if at <= WIDTH / 2 { at } else { at - WIDTH / 2 };
    reserve(half);
    half.insert(at, entry);
    Some(right)
}

/// Room for one more, and for some after it, but never for more than a node holds.
fn reserve<T>(entries: &mut Vec<T>) {
    if entries.len() == entries.capacity() {
        let more = (entries.len() / 2).clamp(1, WIDTH - entries.len());
        entries.reserve_exact(more);
    }
}

fn remove<K: Ord + Clone + Borrow<Q>, V: Clone, Q: Ord + ?Sized>(
    node: &mut Arc<Node<K, V>>,
    key: &Q,
) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let at = find(entries, key).ok()?;
            Some(entries.remove(at).1)
        }
        Node::Inner(children) => {
            let way = way(children, key);
            let old = remove(&mut children[way].1, key)?;
            thin(children, way);
            Some(old)
        }
    }
}

/// Drops a child that is empty, and joins one that is nearly so with a
/// neighbour if both fit well into one.
fn thin<K: Clone, V: Clone>(children: &mut Vec<Child<K, V>>, at: usize) {
    let len = children[at].1.len();
    if len == 0 && children.len() > 1 {
        children.remove(at);
        return;
    }
    if len >= THIN {
        return;
    }
    let left = if at > 0 { at - 1 } else { at };
    let Some([(_, one), (_, other)]) = children.get_mut(left..left + 2) else {
        return;
    };
    if one.len() + other.len() <= WIDTH - THIN {
        let (bound, right) = children.remove(left + 1);
        let left = Arc::make_mut(&mut children[left].1);
        join(left, Arc::unwrap_or_clone(right), bound);
    }
}

/// `bound` is the right one's: from now on its first child's is looked at.
fn join<K, V>(left: &mut Node<K, V>, right: Node<K, V>, bound: K) {
    match (left, right) {
        (Node::Leaf(left), Node::Leaf(right)) => left.extend(right),
        (Node::Inner(left), Node::Inner(mut right)) => {
            right[0].0 = bound;
            left.extend(right);
        }
        _ => unreachable!("children of one node are of one kind"),
    }
}

fn for_each_mut<K: Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    write: &mut impl FnMut(&K, &mut V),
) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => entries
            .iter_mut()
            .for_each(|(key, value)| write(key, value)),
        Node::Inner(children) => children
            .iter_mut()
            .for_each(|(_, child)| for_each_mut(child, write)),
    }
}

impl<K, V> Node<K, V> {
    /// How many entries or children; none, if its one child has none.
    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => match children.as_slice() {
                [(_, only)] if only.len() == 0 => 0,
                children => children.len(),
            },
        }
    }
}

/// The entries in order.
pub(super) struct Iter<'a, K, V> {
    /// What is left of the inner nodes above the leaf, outermost first.
    above: Vec<slice::Iter<'a, Child<K, V>>>,
    leaf: slice::Iter<'a, (K, V)>,
    /// At most that many are left.
    left: usize,
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self {
            above: self.above.clone(),
            leaf: self.leaf.clone(),
            left: self.left,
        }
    }
}

impl<'a, K, V> Iter<'a, K, V> {
    /// Down to a leaf, in each node from the place that is asked for.
    fn descend(
        &mut self,
        mut node: &'a Node<K, V>,
        way: impl Fn(&[Child<K, V>]) -> usize,
        start: impl Fn(&[(K, V)]) -> usize,
    ) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.leaf = entries[start(entries)..].iter();
                    return;
                }
                Node::Inner(children) => {
                    let mut rest = children[way(children)..].iter();
                    let Some((_, child)) = rest.next() else {
                        return;
                    };
                    self.above.push(rest);
                    node = child;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                self.left -= 1;
                return Some((key, value));
            }
            match self.above.last_mut()?.next() {
                Some((_, child)) => self.descend(child, |_| 0, |_| 0),
                None => {
                    self.above.pop();
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}
