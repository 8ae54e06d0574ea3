/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links: chsinkd
 *
 * The protocol of a partition, searched exhaustively: two owners run the machine against a model
 * of Kafka's group and of the table with its window of tokens. Whatever can happen next is tried,
 * breadth first, until no new state is reached; in every state each row is in the table or the dead
 * letters at most once, and exactly once below the group's offset. Where the table cannot be asked,
 * at least once. And from every state, if nothing else goes wrong, everything is delivered.
 *
 * Either owner can be killed at any moment and started again with either route; lose the partition,
 * hearing of it at once, late or never; hear late that it was given; be stopped; set the partition
 * aside. Every answer can be lost, before or after the call took effect; an insert whose answer was
 * lost can arrive at any time until the world has settled, a commit until another succeeds. Tokens
 * are forgotten when old.
 *
 * Each rule of the machine is removed in turn, and each assumption: the search must then find a row
 * lost or doubled, or it is not needed.
 *
 * An output that keeps the position with the rows is searched in the same way.
 *
 * 12 phases, 10 events; 40 rules and assumptions, each found missing at a depth of 3 to 22. make
 * check: 2 million states by 10 million steps, in 10 s; make search: 36 million states by 204
 * million steps, in 5 minutes, without those of the position.
 */
#include "tests/unit/chsinkd/partition_moves.h"
#include "tests/unit/unit.h"

/* ---- the search ---- */

/* States are kept by a hash of 64 bits: among ten million the chance that two share one is one in
 * 400,000. */
static struct {
    uint64_t *seen;
    size_t slots, n;
    struct packed *layer, *next;
    size_t layer_n, layer_max, next_n, next_max;
    unsigned depth;
    uint64_t steps;
    const char *fault;
} search;

static uint64_t hash(const struct packed *packed)
{
    uint64_t h = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < PL_COUNT(packed->words); i++) {
        h = (h ^ packed->words[i]) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
    }
    return h | 1; /* 0: a free slot */
}

static bool seen_put(uint64_t *seen, size_t slots, uint64_t h)
{
    size_t i = h >> 8 & (slots - 1);
    for (; seen[i]; i = (i + 1) & (slots - 1))
        if (seen[i] == h)
            return false;
    seen[i] = h;
    return true;
}

static bool seen_add(uint64_t h)
{
    if (2 * search.n >= search.slots) {
        size_t slots = search.slots ? 2 * search.slots : 1U << 16;
        uint64_t *grown = pl_alloc_array(slots, sizeof(*grown));
        for (size_t i = 0; i < search.slots; i++)
            if (search.seen[i])
                seen_put(grown, slots, search.seen[i]);
        free(search.seen);
        search.seen = grown;
        search.slots = slots;
    }
    bool added = seen_put(search.seen, search.slots, h);
    search.n += added;
    return added;
}

static void reached(struct world *w)
{
    struct packed packed = {0};
    search.steps++;
    if (!search.fault)
        search.fault = fault_of(w);
    times_renumber(w);
    world_order(w);
    world_pack(w, &packed, true);
    if (!seen_add(hash(&packed)))
        return;
    if (!search.fault && wrong == WRONG_NOTHING)
        search.fault = fault_of_fair_weather(w);
    if (search.next_n == search.next_max) {
        search.next_max = search.next_max ? 2 * search.next_max : 1024;
        search.next = pl_realloc_array(search.next, search.next_max, sizeof(*search.next));
    }
    search.next[search.next_n++] = packed;
}

/* ---- where it begins ---- */

static struct world world_new(void)
{
    struct world w;
    memset(&w, 0, sizeof(w));
    w.owner = w.kept.position = -1;
    w.now = YOUNG_FROM + 1;
    w.ends = bounds.ends;
    w.owners[1].route = true;
    return w;
}

/* [0, 1) or [0, 2) was inserted by either route, in part or whole. */
static void begin_with_rows(bool group_is_gone, unsigned route, int end)
{
    for (unsigned parts = 0; parts < 4; parts++) {
        struct world w = world_new();
        struct batch b = batch_read(&(struct owner){.route = route}, 0, end);
        struct insert insert = {.at = YOUNG_FROM + 1, .rows = b.rows};
        w.now = YOUNG_FROM + 2;
        land(&w, &insert, parts);
        if (group_is_gone) {
            memset(w.window, 0, sizeof(w.window));
            w.offset = -1;
            if (wrong == WRONG_REPLAY_NOT_SETTLED)
                w.orphans[0] = insert;
            reached(&w);
            continue;
        }
        w.announced = (struct partition_announcement){.end = end, .at_ms = YOUNG_FROM + 1};
        if (insert.rows)
            w.orphans[0] = insert;
        reached(&w);
    }
}

static void begin(void)
{
    struct world w = world_new();
    reached(&w);
    for (unsigned i = 0; i < 4 && bounds.old; i++) {
        begin_with_rows(true, i & 1, 1 + (int)(i >> 1));
        begin_with_rows(false, i & 1, 1 + (int)(i >> 1));
    }
}

/* Searches until a fault is found, nothing new is reached, or the depth is. */
static void search_run(enum wrong what, struct bounds within, unsigned depth_max)
{
    wrong = what;
    bounds = within;
    memset(&search, 0, sizeof(search));
    begin();
    for (; search.next_n > 0 && !search.fault && search.depth < depth_max; search.depth++) {
        struct packed *done = search.layer;
        size_t done_max = search.layer_max;
        search.layer = search.next;
        search.layer_n = search.next_n;
        search.layer_max = search.next_max;
        search.next = done;
        search.next_n = 0;
        search.next_max = done_max;
        for (size_t i = 0; i < search.layer_n && !search.fault; i++) {
            struct world from;
            memset(&from, 0, sizeof(from));
            world_pack(&from, &search.layer[i], false);
            expand(&from);
        }
    }
    free(search.layer);
    free(search.next);
    free(search.seen);
}

enum { ALL = UINT16_MAX }; /* until nothing new is reached */

/* What can happen is searched in groups to the end; all at once to a depth. */
static const struct {
    const char *name;
    struct bounds bounds;
    unsigned depth, torture; /* in make check, in make search; 0: not there */
} worlds[] = {
    {"nothing ends", {.orphans = 2}, ALL, ALL},
    {"the version before, a group that is gone", {.orphans = 1, .old = true}, ALL, ALL},
    {"a replay, its group may be gone",
     {.ends = 2, .orphans = 1, .old = true, .replay = true, .only = KILL | UNKNOWN},
     ALL,
     ALL},
    {"killed", {.ends = 2, .orphans = 1, .only = KILL | UNKNOWN}, ALL, ALL},
    {"killed or moved", {.ends = 2, .orphans = 1, .only = KILL | MOVE}, ALL, ALL},
    {"killed or moved, unknown", {.ends = 2, .only = KILL | MOVE | UNKNOWN}, ALL, ALL},
    {"moved, refused", {.ends = 2, .orphans = 1, .only = MOVE | REFUSE}, ALL, ALL},
    {"set aside or stopped, failing", {.ends = 2, .only = ASIDE | STOP | FAIL}, ALL, ALL},
    {"killed, old, wrong clocks", {.ends = 2, .only = KILL | AGE | CLOCK}, ALL, ALL},
    {"blind", {.blind = true, .ends = 1, .only = KILL | MOVE | UNKNOWN | REFUSE}, ALL, ALL},
    {"the output keeps the position, nothing ends", {.keeps = true, .orphans = 2}, ALL, ALL},
    {"the output keeps the position, killed, moved, unknown",
     {.keeps = true, .ends = 2, .orphans = 1, .only = KILL | MOVE | UNKNOWN},
     ALL,
     ALL},
    {"the output keeps the position, set aside, stopped, refused",
     {.keeps = true, .ends = 2, .orphans = 1, .only = ASIDE | STOP | REFUSE | FAIL},
     ALL,
     ALL},
    {"the output keeps the position, all, 2 ends",
     {.keeps = true, .ends = 2, .orphans = 1},
     0,
     ALL},
    {"all, 2 ends", {.ends = 2, .orphans = 1}, 12, 20},
    {"all, 1 end", {.ends = 1, .orphans = 1}, 15, 20},
    {"all, 1 end, no insert under way", {.ends = 1}, 0, ALL},
    {"blind, all, 1 end", {.blind = true, .ends = 1}, 0, ALL},
    {"killed or moved, old", {.ends = 2, .orphans = 1, .only = KILL | MOVE | AGE}, 0, ALL},
    {"killed, moved, set aside or stopped",
     {.ends = 2, .orphans = 1, .only = KILL | MOVE | ASIDE | STOP},
     0,
     ALL},
    {"killed or moved, unknown, 2 inserts under way",
     {.ends = 2, .orphans = 2, .only = KILL | MOVE | UNKNOWN},
     0,
     ALL},
    {"3 times killed or moved, refused",
     {.ends = 3, .orphans = 1, .only = KILL | MOVE | REFUSE},
     0,
     ALL},
};

START_TEST(holds_in_every_state)
{
    const char *search_env = getenv("PARTITION_SEARCH");
    bool torture = search_env && strcmp(search_env, "full") == 0;
    unsigned depth = torture ? worlds[_i].torture : worlds[_i].depth;
    if (depth == 0)
        return;
    search_run(WRONG_NOTHING, worlds[_i].bounds, depth);
    ck_assert_msg(!search.fault, "%s: %s, at depth %u", worlds[_i].name, search.fault,
                  search.depth);
    printf("%s: %zu states, %llu steps, to depth %u%s\n", worlds[_i].name, search.n,
           (unsigned long long)search.steps, search.depth, search.next_n ? "" : ", which is all");
    fflush(stdout);
}
END_TEST

START_TEST(each_rule_is_needed)
{
    enum wrong what = (enum wrong)(_i + 1);
    search_run(what, wrongs[what].bounds, ALL);
    ck_assert_msg(search.fault, "not found: %s (%zu states)", wrongs[what].name, search.n);
    printf("%s: %s, at depth %u (%zu states)\n", wrongs[what].name, search.fault, search.depth,
           search.n);
    fflush(stdout);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(holds_in_every_state, .count = PL_COUNT(worlds)),
        TEST(each_rule_is_needed, .count = WRONGS - 1),
    };
    return unit_main("partition", tests, PL_COUNT(tests));
}
