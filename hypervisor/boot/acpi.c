// SPDX-License-Identifier: MIT
/*
 * Finds and reads ACPI tables (ACPI Specification 6.4, sections 5.2.5 to 5.2.12; HPET specification
 * 3.2.4; PCI Firmware Specification 3.2, 4.1.2). Pure: physical memory is reached through the
 * boot_map() alone, and a table is used only after its length and checksum are right.
 */
#include "boot/acpi.h"

#include "boot/bytes.h"

#define RSDP_SIGNATURE UINT64_C(0x2052545020445352)   /* "RSD PTR " */
#define RSDP_V1_SIZE 20
#define RSDP_V2_SIZE 36
#define RSDP_MAX_SIZE 256
#define EBDA_POINTER 0x40e
#define EBDA_SEARCH_SIZE 0x400
#define BIOS_SEARCH_START 0xe0000
#define BIOS_SEARCH_SIZE 0x20000

#define TABLE_HEADER_SIZE 36
#define TABLE_MAX_SIZE (4u << 20)

#define LAPIC_ENABLED (1u << 0)
#define LAPIC_ALL_CPUS 0xff
#define ALL_CPUS 0xffffffffu

#define FADT_TIMER_32BIT (1u << 8)
#define FADT_HAS_RESET (1u << 10)

/* Where a register block lies; others than these are none of ours. */
enum space { SPACE_MEMORY = 0, SPACE_IO = 1 };

/* Entries of the MADT, with the size that each must have. */
enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_ADDRESS = 5,
    MADT_X2APIC = 9,
};

static const uint8_t madt_sizes[] INITCONST = {
    [MADT_LAPIC] = 8, [MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10, [MADT_LAPIC_ADDRESS] = 12,
    [MADT_X2APIC] = 16,
};

struct parser {
    struct acpi_info *out;
    const char *problem;
};

/* What lies at `at`, if its length is possible and its checksum right, or an empty run. */
static struct bytes INIT checked_map(paddr_t at, uint32_t length, uint32_t min, uint32_t max)
{
    struct bytes b = bytes_map(at, length >= min && length <= max ? length : 0);
    uint8_t sum = 0;

    for (size_t i = 0; i < b.size; i++)
        sum = (uint8_t)(sum + b.at[i]);
    if (sum)
        b.size = 0;
    return b;
}

/* A good RSDP at `at`, of the size that its revision has, or an empty run. */
static struct bytes INIT rsdp_map(paddr_t at)
{
    struct bytes rsdp = checked_map(at, RSDP_V1_SIZE, RSDP_V1_SIZE, RSDP_V1_SIZE);

    if (bytes_u64(rsdp, 0) != RSDP_SIGNATURE)
        rsdp.size = 0;
    if (bytes_u8(rsdp, 15) < 2)
        return rsdp;
    return checked_map(at, bytes_u32(bytes_map(at, RSDP_V2_SIZE), 20), RSDP_V2_SIZE, RSDP_MAX_SIZE);
}

/* The first good one where a loader or the BIOS may have put it. */
static struct bytes INIT rsdp_find(paddr_t given)
{
    paddr_t ebda = (paddr_t)bytes_u16(bytes_map(EBDA_POINTER, 2), 0) << 4;
    const struct { paddr_t start, end; } places[] = {
        { given, given ? given + 1 : 0 },
        { ebda, ebda ? ebda + EBDA_SEARCH_SIZE : 0 },
        { BIOS_SEARCH_START, BIOS_SEARCH_START + BIOS_SEARCH_SIZE },
    };
    struct bytes rsdp = { NULL, 0 };

    for (unsigned int i = 0; i < ARRAY_SIZE(places) && !rsdp.size; i++)
        for (paddr_t at = places[i].start; at < places[i].end && !rsdp.size; at += 16)
            rsdp = rsdp_map(at);
    return rsdp;
}

/* A whole table, header included, or an empty run. */
static struct bytes INIT table_map(paddr_t at)
{
    return checked_map(at, bytes_u32(bytes_map(at, TABLE_HEADER_SIZE), 4), TABLE_HEADER_SIZE,
                       TABLE_MAX_SIZE);
}

/* Room for one more of `max` entries? */
static bool INIT have_room(struct parser *p, unsigned int nr, unsigned int max)
{
    if (nr < max)
        return true;
    p->problem = "a table has more entries than are known here; the surplus is left out";
    return false;
}

static void INIT add_cpu(struct parser *p, uint32_t apic_id, uint32_t flags)
{
    struct acpi_info *out = p->out;
    bool is_known = !(flags & LAPIC_ENABLED);

    for (unsigned int i = 0; i < out->nr_cpus && !is_known; i++)
        is_known = out->apic_ids[i] == apic_id;
    if (!is_known && have_room(p, out->nr_cpus, ACPI_MAX_CPUS))
        out->apic_ids[out->nr_cpus++] = apic_id;
}

static void INIT parse_madt_entry(struct parser *p, struct bytes e)
{
    struct acpi_info *out = p->out;
    uint8_t type = bytes_u8(e, 0);

    if (type >= ARRAY_SIZE(madt_sizes) || e.size < madt_sizes[type])
        return;
    switch (type) {
    case MADT_LAPIC:
        if (bytes_u8(e, 3) != LAPIC_ALL_CPUS)
            add_cpu(p, bytes_u8(e, 3), bytes_u32(e, 4));
        return;
    case MADT_X2APIC:
        if (bytes_u32(e, 4) != ALL_CPUS)
            add_cpu(p, bytes_u32(e, 4), bytes_u32(e, 8));
        return;
    case MADT_IOAPIC:
        if (have_room(p, out->nr_ioapics, ACPI_MAX_IOAPICS))
            out->ioapics[out->nr_ioapics++] = (struct acpi_ioapic){
                .id = bytes_u8(e, 2), .address = bytes_u32(e, 4), .gsi_base = bytes_u32(e, 8),
            };
        return;
    case MADT_OVERRIDE:
        /* Only bus 0, ISA, exists. */
        if (bytes_u8(e, 2) == 0 && have_room(p, out->nr_overrides, ACPI_MAX_OVERRIDES))
            out->overrides[out->nr_overrides++] = (struct acpi_override){
                .source = bytes_u8(e, 3), .gsi = bytes_u32(e, 4), .flags = bytes_u16(e, 8),
            };
        return;
    case MADT_LAPIC_ADDRESS:
        out->lapic_address = bytes_u64(e, 4);
        return;
    }
}

static const char *INIT parse_madt(struct parser *p, struct bytes table)
{
    uint64_t offset = 44;

    if (table.size < offset)
        return "MADT is too short";
    p->out->lapic_address = bytes_u32(table, 36);
    while (bytes_have(table, offset, 2)) {
        uint8_t length = bytes_u8(table, offset + 1);
        struct bytes entry = bytes_part(table, offset, length);

        if (entry.size < 2)
            return "MADT has an entry of impossible length; the entries behind it are not used";
        parse_madt_entry(p, entry);
        offset += length;
    }
    return NULL;
}

/* The extended register where it is filled in, else the one of the first ACPI version. */
static uint16_t INIT fadt_port(struct bytes fadt, uint64_t extended, uint64_t old)
{
    uint64_t address = bytes_u64(fadt, extended + 4);

    if (!address)
        return (uint16_t)bytes_u32(fadt, old);
    return bytes_u8(fadt, extended) == SPACE_IO ? (uint16_t)address : 0;
}

static const char *INIT parse_fadt(struct parser *p, struct bytes t)
{
    struct acpi_info *out = p->out;
    uint32_t flags = bytes_u32(t, 112);
    uint8_t reset_space = bytes_u8(t, 116);

    if (t.size < 116)
        return "FADT is too short";
    out->power.pm1a_control = fadt_port(t, 172, 64);
    out->power.pm1b_control = fadt_port(t, 184, 68);
    out->pm_timer_port = fadt_port(t, 208, 76);
    out->pm_timer_is_32bit = flags & FADT_TIMER_32BIT;
    if (flags & FADT_HAS_RESET && (reset_space == SPACE_MEMORY || reset_space == SPACE_IO)) {
        out->power.reset_is_memory = reset_space == SPACE_MEMORY;
        out->power.reset_address = bytes_u64(t, 120);
        out->power.reset_value = bytes_u8(t, 128);
    }
    return NULL;
}

static const char *INIT parse_hpet(struct parser *p, struct bytes t)
{
    if (bytes_u8(t, 40) == SPACE_MEMORY)
        p->out->hpet_address = bytes_u64(t, 44);
    return p->out->hpet_address ? NULL : "HPET table names no memory address";
}

struct table_parser {
    const char *signature;
    const char *bad;   /* what to say if length or checksum are wrong */
    const char *(*parse)(struct parser *p, struct bytes table);
};

static const struct table_parser table_parsers[] INITCONST = {
    { "APIC", "MADT has a wrong length or checksum", parse_madt },
    { "FACP", "FADT has a wrong length or checksum", parse_fadt },
    { "HPET", "HPET table has a wrong length or checksum", parse_hpet },
};

/*
 * Reads the table at `at` if its row in table_parsers was not seen yet: the first of a kind counts.
 */
static void INIT parse_table(struct parser *p, paddr_t at, uint32_t *seen)
{
    struct bytes header = bytes_map(at, TABLE_HEADER_SIZE);

    for (uint32_t i = 0; i < ARRAY_SIZE(table_parsers); i++) {
        const struct table_parser *row = &table_parsers[i];
        const char *problem = row->bad;
        struct bytes table;

        if (!bytes_match(header, 0, row->signature) || (*seen & (1u << i)))
            continue;
        *seen |= 1u << i;
        table = table_map(at);
        if (table.size)
            problem = row->parse(p, table);
        if (problem)
            p->problem = problem;
    }
}

/* The tables that `root` lists, if it is one with this signature and entries of this width. */
static bool INIT parse_root(struct parser *p, paddr_t at, const char *signature, unsigned int width)
{
    struct bytes root = table_map(at);
    uint32_t seen = 0;
    uint64_t offset = TABLE_HEADER_SIZE;

    if (!bytes_match(root, 0, signature))
        return false;
    for (unsigned int i = 0; bytes_have(root, offset, width); i++, offset += width) {
        if (have_room(p, i, ACPI_MAX_TABLES))
            parse_table(p, bytes_read(root, offset, width), &seen);
    }
    return true;
}

const char *INIT acpi_parse(paddr_t rsdp, struct acpi_info *info)
{
    struct parser p = { .out = info };
    struct bytes table;

    memset(info, 0, sizeof(*info));
    table = rsdp_find(rsdp);
    if (!table.size)
        return "no RSDP found, so there is one CPU, no IO-APIC and no power-off: enable ACPI in "
               "the firmware's setup";
    if (!parse_root(&p, bytes_u64(table, 24), "XSDT", 8) &&
        !parse_root(&p, bytes_u32(table, 16), "RSDT", 4))
        return "RSDT and XSDT are missing or have wrong checksums, so there is one CPU, no IO-APIC "
               "and no power-off: update the firmware";
    return p.problem;
}
