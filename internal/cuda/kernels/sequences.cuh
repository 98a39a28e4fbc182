// Sequences packed one behind the other: offsets [sequences + 1], where sequence s is rows offsets[s] to offsets[s+1]. Rows before the
// first and behind the last belong to none.
#pragma once

constexpr int none = 0x7fffffff; // where the keys of a row without a sequence begin

struct Sequence { int begin, end, number; };

// sequence_of finds the sequence of a row that has one.
__device__ inline Sequence sequence_of(int row, const int *offsets, int sequences) {
    int low = 0, high = sequences; // offsets[low] <= row < offsets[high]
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (offsets[middle] <= row) low = middle;
        else high = middle;
    }
    return {offsets[low], offsets[high], low};
}

// Range is the rows first to last, without last.
struct Range {
    int first, last;
    __device__ bool empty() const { return first >= last; }
    __device__ bool has(int row) const { return (row >= first) & (row < last); } // without a branch

    // meets says that some of `count` rows from `row` on are in the range, holds that all are.
    __device__ bool meets(int row, int count) const { return row < last && row + count > first; }
    __device__ bool holds(int row, int count) const { return row >= first && row + count <= last; }
};

// rows_in_sequences are those of a tile that belong to sequences.
__device__ inline Range rows_in_sequences(int row0, int count, const int *offsets, int sequences) {
    int first = max(row0, offsets[0]), last = min(row0 + count, offsets[sequences]);
    return {min(first, last), last};
}
