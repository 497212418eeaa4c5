// SPDX-License-Identifier: MIT
// Definitions: what is read from XML, JSON and xl.cfg is one model; what one form said comes back in another;
// and what is wrong is refused with its line, place, value, limit and cure.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/definition/definition.h"
#include "unit_main.h"

// As virt-install --import --paravirt writes it, with a kernel, libosinfo's metadata and a graphics device.
static const char virt_install[] =
    "<domain type=\"xen\">\n"
    "  <name>web</name>\n"
    "  <uuid>8d8b3f0e-3f3c-4f0a-9d5e-0123456789AB</uuid>\n"
    "  <metadata>\n"
    "    <libosinfo:libosinfo xmlns:libosinfo=\"http://libosinfo.org/xmlns/libvirt/domain/1.0\">\n"
    "      <libosinfo:os id=\"http://debian.org/debian/12\"/>\n"
    "    </libosinfo:libosinfo>\n"
    "  </metadata>\n"
    "  <memory>1048576</memory>\n"
    "  <currentMemory unit='MiB'>512</currentMemory>\n"
    "  <vcpu current=\"2\" placement='static'>4</vcpu>\n"
    "  <os>\n"
    "    <type arch=\"x86_64\" machine=\"xenpv\">xen</type>\n"
    "    <kernel>/boot/vmlinuz</kernel>\n"
    "    <initrd>/boot/initrd.img</initrd>\n"
    "    <cmdline>root=/dev/xvda1 a=&lt;b&amp;c&gt;</cmdline>\n"
    "    <boot dev=\"hd\"/>\n"
    "  </os>\n"
    "  <on_reboot>destroy</on_reboot>\n"
    "  <devices>\n"
    "    <disk type=\"file\" device=\"disk\">\n"
    "      <driver name=\"qemu\" type=\"raw\" cache=\"none\"/>\n"
    "      <source file=\"/srv/web.img\"/>\n"
    "      <target dev=\"xvda\" bus=\"xen\"/>\n"
    "      <readonly/>\n"
    "    </disk>\n"
    "    <interface type=\"bridge\">\n"
    "      <source bridge=\"xenbr0\"/>\n"
    "      <mac address=\"00:16:3E:4b:0c:11\"/>\n"
    "      <vlan><tag id='42'/></vlan>\n"
    "      <bandwidth><inbound average='1'/><outbound average='1000' burst='5'/></bandwidth>\n"
    "      <q:limit xmlns:q='urn:paravane:guest' packets='5000'/>\n"
    "    </interface>\n"
    "    <console type=\"pty\"/>\n"
    "    <graphics type=\"vnc\" port=\"-1\"/>\n"
    "  </devices>\n"
    "</domain>\n";

static int read_text(struct definition *d, const char *text, struct vane_error *error)
{
    char *ignored;
    int rc = definition_read(d, text, strlen(text), &ignored, error);

    free(ignored);
    if (rc)
        printf("refused: %s\n", error->text);
    return rc;
}

static void test_virt_install(void)
{
    struct vane_error error;
    struct definition d;
    const struct nic *nic;

    CU_ASSERT_FATAL(read_text(&d, virt_install, &error) == 0);
    CU_ASSERT_STRING_EQUAL(d.name, "web");
    CU_ASSERT_STRING_EQUAL(d.uuid, "8d8b3f0e-3f3c-4f0a-9d5e-0123456789ab");
    CU_ASSERT(d.max_memory_kib == 1048576 && d.memory_kib == 524288 && d.vcpus == 2 && d.max_vcpus == 4);
    CU_ASSERT_STRING_EQUAL(d.cmdline, "root=/dev/xvda1 a=<b&c>");
    CU_ASSERT(d.on_reboot == ON_DESTROY && d.on_poweroff == ON_DESTROY && d.weight == 256);
    CU_ASSERT_FATAL(d.disks.count == 1 && d.nics.count == 1 && d.consoles.count == 1);
    CU_ASSERT_STRING_EQUAL(((struct disk *)d.disks.items)->file, "/srv/web.img");
    CU_ASSERT(((struct disk *)d.disks.items)->readonly == 1);
    nic = d.nics.items;
    CU_ASSERT_STRING_EQUAL(nic->mac, "00:16:3e:4b:0c:11");
    CU_ASSERT(nic->vlan == 42 && nic->kib_limit == 1000 && nic->packets_limit == 5000 && nic->mtu == 1500);
    definition_fini(&d);
}

static void test_xml_is_kept(void)
{
    static const char *const kept[] = {
        "    <libosinfo:libosinfo xmlns:libosinfo=\"http://libosinfo.org/xmlns/libvirt/domain/1.0\">\n"
        "      <libosinfo:os id=\"http://debian.org/debian/12\"/>\n"
        "    </libosinfo:libosinfo>\n",
        "<boot dev=\"hd\"/>", "<graphics type=\"vnc\" port=\"-1\"/>", "placement=\"static\"", "cache=\"none\"",
        "\n  <name>web</name>\n", "<cmdline>root=/dev/xvda1 a=&lt;b&amp;c&gt;</cmdline>",
    };
    struct vane_error error;
    struct definition d;
    char *xml;

    CU_ASSERT_FATAL(read_text(&d, virt_install, &error) == 0);
    xml = definition_write_xml(&d);
    CU_ASSERT_FATAL(xml != NULL);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        CU_ASSERT(strstr(xml, kept[i]) != NULL);
        if (!strstr(xml, kept[i]))
            printf("lost: %s\nin %s", kept[i], xml);
    }
    free(xml);
    definition_fini(&d);
}

// From a text to XML, to JSON, and to XML again: the XML texts are the same.
static void round_trip(const char *text)
{
    struct vane_error error;
    struct definition a, b, c;
    char *xml, *json, *again, *last;

    CU_ASSERT_FATAL(read_text(&a, text, &error) == 0);
    xml = definition_write_xml(&a);
    json = definition_write_json(&a);
    CU_ASSERT_FATAL(read_text(&b, json, &error) == 0);
    again = definition_write_xml(&b);
    CU_ASSERT_STRING_EQUAL(xml, again);
    CU_ASSERT_FATAL(read_text(&c, again, &error) == 0);
    last = definition_write_xml(&c);
    CU_ASSERT_STRING_EQUAL(xml, last);
    if (strcmp(xml, again) != 0 || strcmp(xml, last) != 0)
        printf("%s\n%s\n%s\n%s\n", xml, json, again, last);
    free(xml);
    free(json);
    free(again);
    free(last);
    definition_fini(&a);
    definition_fini(&b);
    definition_fini(&c);
}

static const char full_json[] =
    "{\"name\": \"db-1\", \"memory_kib\": 131072, \"max_memory_kib\": 262144, \"vcpus\": 2, \"max_vcpus\": 2,\n"
    " \"title\": \"the d\\u00e4tabase\", \"affinity\": \"0-3,^2\", \"weight\": 512, \"cap\": 150,\n"
    " \"pins\": [{\"vcpu\": 1, \"cpus\": \"3\"}],\n"
    " \"kernel\": \"/boot/vmlinuz\", \"cmdline\": \"console=hvc0 \\\"quoted\\\"\", \"on_crash\": \"preserve\",\n"
    " \"autostart\": true, \"start_order\": 10,\n"
    " \"disks\": [{\"type\": \"network\", \"protocol\": \"nbd\", \"export\": \"db\", \"socket\": \"/run/nbd\", \"tls\": true,\n"
    "             \"target\": \"xvda\", \"driver\": \"vane\", \"bytes_limit\": 1000000, \"shareable\": true},\n"
    "            {\"type\": \"block\", \"block\": \"/dev/vg/db\", \"target\": \"xvdb\", \"driver\": \"kernel\",\n"
    "             \"extra\": [{\"in\": \"driver\", \"attribute\": \"io\", \"value\": \"a<b\"},\n"
    "                       {\"in\": \"\", \"xml\": \"<serial>a &amp; b</serial>\"}]}],\n"
    " \"nics\": [{\"bridge\": \"br0\", \"mac\": \"00:16:3e:00:00:01\", \"ip\": \"10.0.0.2\", \"link\": \"down\",\n"
    "            \"queues\": 2, \"mtu\": 9000, \"vlan\": 7, \"kib_limit\": 10, \"packets_limit\": 20, \"device\": \"db0\"}],\n"
    " \"extra\": [{\"in\": \"\", \"xml\": \"<features><pae/></features>\"},\n"
    "           {\"in\": \"devices\", \"xml\": \"<x:y xmlns:x='urn:x' x:z='1'>t</x:y>\"}]}\n";

static void test_round_trips(void)
{
    round_trip(virt_install);
    round_trip(full_json);
    round_trip("name = 'a'\nmemory = 64\n");
    round_trip("{\"name\": \"a\", \"memory_kib\": 65536, \"affinity\": \"0-3\"}");
    round_trip("<domain><name>a</name><memory>65536</memory><vcpu cu\u02cdent='2'>1</vcpu></domain>");
    round_trip("<domain><name>a</name><memory>65536</memory><os><kernel>/k</kernel><cmdline><a/></cmdline></os></domain>");
    round_trip("<domain><name>a</name><memory>65536</memory><os><kernel>/k</kernel><cmdline> <a/>\n</cmdline></os></domain>");
}

static void test_long_names(void)
{
    char text[1000], name[301];

    memset(name, 'n', 300);
    for (size_t length = 90; length <= 300; length += length < 110 ? 1 : 95) {
        snprintf(text, sizeof(text), "<domain><name>a</name><memory>65536</memory><%.*s/><devices><%.*s/></devices></domain>",
                 (int)length, name, (int)length, name);
        round_trip(text);
    }
}

static void test_xl(void)
{
    static const char text[] =
        "# a comment\n"
        "name = \"mail\"; type = 'pv'\n"
        "memory = 256\nmaxmem = \"512\"\nvcpus=2\n"
        "kernel = '/boot/vmlinuz'\nroot = \"/dev/xvda1\"\nextra = 'ro \\'x\\''\n"
        "disk = [ 'phy:/dev/vg/mail,xvda,w', \"/srv/a=b.img,raw,xvdb,ro\",\n"
        "         'format=raw, vdev=xvdc, access=rw, target=/srv/c.img', ] # and more\n"
        "disk += [ '/srv/d.iso,,xvdd,cdrom' ]\n"
        "vif = [ 'mac=00:16:3e:00:00:02, bridge=xenbr1,script=vif-bridge,rate=10Mb/s@50ms', 'rate=1B/s' ]\n"
        "cpus = [ '0', '1-2' ]\n"
        "on_crash = 'restart'\nvnc = 0\nlocaltime = 1\n";
    struct vane_error error;
    struct definition d;
    const struct disk *disk;
    const struct pin *pin;
    const struct nic *nic;
    char *ignored;

    CU_ASSERT_FATAL(definition_read(&d, text, strlen(text), &ignored, &error) == 0);
    CU_ASSERT(d.memory_kib == 262144 && d.max_memory_kib == 524288 && d.vcpus == 2 && d.max_vcpus == 2);
    CU_ASSERT_STRING_EQUAL(d.cmdline, "root=/dev/xvda1 ro 'x'");
    CU_ASSERT_FATAL(d.disks.count == 4 && d.nics.count == 2 && d.pins.count == 2);
    disk = d.disks.items;
    CU_ASSERT(disk[0].type == DISK_BLOCK && !strcmp(disk[0].block, "/dev/vg/mail") && !strcmp(disk[0].target, "xvda"));
    CU_ASSERT(!strcmp(disk[1].file, "/srv/a=b.img") && disk[1].readonly == 1);
    CU_ASSERT(!strcmp(disk[2].file, "/srv/c.img") && disk[2].readonly == 0);
    CU_ASSERT(!strcmp(disk[3].target, "xvdd"));
    nic = d.nics.items;
    CU_ASSERT(nic[0].kib_limit == 1221 && nic[1].kib_limit == 1);      // rounded up
    pin = d.pins.items;
    CU_ASSERT(pin[1].vcpu == 1 && !strcmp(pin[1].cpus, "1-2"));
    CU_ASSERT(d.on_crash == ON_RESTART);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ignored);
    CU_ASSERT_STRING_EQUAL(ignored, "line 12: script has no effect here\nline 16: localtime has no effect here\n");
    free(ignored);
    definition_fini(&d);
}

#define XML(inside) "<domain type='xen'>\n<name>a</name><memory>65536</memory>\n" inside "\n</domain>"
#define JSON(inside) "{\"name\": \"a\", \"memory_kib\": 65536,\n" inside "}"
#define XL(inside) "name = 'a'\nmemory = 64\n" inside "\n"

static const struct { const char *text, *why; } refused[] = {
    { "", "the domain has no name" },
    { "<domain", "line 1: the XML cannot be read" },
    { "<network/>", "line 1: the outermost element is \"network\"" },
    { "<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain><name>&a;</name></domain>",
      "has a document type" },
    { "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>\n<domain><name>&b;</name></domain>",
      "has a document type" },
    { "<domain><name>&a;</name></domain>", "cannot be read" },
    { XML("<name>b</name>"), "line 3: name is \"b\", and was said before: say it once" },
    { XML("<devices><disk type='file'><source file='/a'/><target dev='xvda'/><readonly x='1'>no</readonly></disk></devices>"),
      "extra for readonly, which is not there itself" },
    { XML("<vcpu>0</vcpu>"), "line 3: vcpu is \"0\", outside 1 to 256: raise it" },
    { XML("<vcpu>2 three</vcpu>"), "which is not a whole number" },
    { XML("<vcpu current='3'>2</vcpu>"), "starts with 3 vcpus, above its maximum of 2" },
    { XML("<currentMemory unit='GiB'>1</currentMemory>"), "starts with 1048576 KiB of memory, above its maximum of 65536" },
    { XML("<currentMemory unit='lb'>1</currentMemory>"), "line 3: currentMemory is \"lb\", which is not a unit" },
    { XML("<currentMemory unit='TiB'>99999999999999</currentMemory>"), "outside 4096 to 17179869184 KiB: lower it" },
    { XML("<currentMemory>1</currentMemory>"), "is \"1 KiB\", outside 4096 to 17179869184 KiB: raise it" },
    { XML("<os>\n<type>hvm</type></os>"), "line 4: os/type is \"hvm\", which is not for PV guests: linux or xen" },
    { XML("<os><kernel>vmlinuz</kernel></os>"), "write the whole path" },
    { XML("<on_crash>coredump-destroy</on_crash>"), "destroy, restart or preserve" },
    { XML("<devices>\n<disk><target dev='xvda'/></disk></devices>"), "disk xvda has no file" },
    { XML("<devices>\n<disk type='file'><source file='/a'/></disk></devices>"), "line 4: devices/disk has no target" },
    { XML("<devices><disk><target dev='xvda' bus='virtio'/></disk></devices>"), "disk/target/@bus is \"virtio\"" },
    { XML("<devices><interface><mac address='01:16:3e:00:00:00'/></interface></devices>"),
      "nic/mac/@address is \"01:16:3e:00:00:00\"" },
    { XML("<vcpu xmlns:q='urn:q' q:a='1'>1</vcpu>"), "attribute a of another namespace" },
    { "{", "line 1: the JSON cannot be read" },
    { "{\"name\": 1}", "line 1: name is not a string" },
    { JSON("\"name2\": 1"), "line 2: name2 is no member of a definition" },
    { JSON("\"vcpus\": 1.5"), "line 2: vcpus is not a whole number" },
    { JSON("\"vcpus\": -1"), "line 2: vcpus is not a whole number" },
    { JSON("\"vcpus\": 257"), "line 2: vcpus is \"257\", outside 1 to 256: lower it" },
    { JSON("\"vcpus\": 2,\n\"vcpus\": 2"), "duplicate" },
    { JSON("\"autostart\": \"yes\""), "autostart is not true or false" },
    { JSON("\"title\": \"a\\u0001\""), "which is not plain text" },
    { JSON("\"affinity\": \"3-1\""), "write a list of CPUs" },
    { JSON("\"affinity\": \"0,^0\""), "write a list of CPUs" },
    { JSON("\"affinity\": \"4096\""), "write a list of CPUs" },
    { JSON("\"cap\": 101"), "has a cap of 101, above the 100" },
    { JSON("\"pins\": [{\"vcpu\": 1, \"cpus\": \"0\"}]"), "pins vcpu 1, but has 1" },
    { JSON("\"disks\": {}"), "disks is not an array of objects" },
    { JSON("\"disks\": [{},\n1]"), "line 2: disks[0] has no target" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"file\": \"/a\"},\n{\"target\": \"xvdb\",\n\"file\": \"b\"}]"),
      "line 4: disks[1].file is \"b\"" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"file\": \"/a\"}, {\"target\": \"xvda\", \"file\": \"/b\"}]"),
      "disk xvda is there twice" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"type\": \"network\", \"export\": \"a\"}]"), "one of host and socket" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"file\": \"/a\", \"block\": \"/dev/b\"}]"), "change its type to block" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"file\": \"/a\", \"type\": \"network\"}]"), "but is of type network: change" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"export\": \"a\"}]"), "is of type file: change its type to network" },
    { JSON("\"disks\": [{\"target\": \"xvda\", \"file\": \"/a\", \"tls\": 1}]"), "true or false" },
    { JSON("\"nics\": [{\"type\": \"network\"}]"), "nic 0 has no network" },
    { JSON("\"nics\": [{\"device\": \"a0\"}, {\"device\": \"a0\"}]"), "nic 1 has the device a0, as nic 0 has: change one" },
    { JSON("\"nics\": [{\"ip\": \"10.0.0\"}]"), "write an IPv4 or IPv6 address" },
    { JSON("\"nics\": [{\"vlan\": 4095}]"), "outside 0 to 4094: lower it" },
    { JSON("\"nics\": [{\"device\": \"sixteen-letters-\"}]"), "of more than 15 bytes: make it shorter" },
    { XML("<devices><interface><vlan><tag id='1'/><tag id='2'/></vlan></interface></devices>"), "was said before" },
    { XL("vif = [ 'rate=fast' ]"), "write it as 10Mb/s or 1MB/s" },
    { XL("vif = [ 'rate=10Mb/sec' ]"), "write it as 10Mb/s or 1MB/s" },
    { XL("vif = [ 'rate=99999999Gb/s' ]"), "lower it" },
    { JSON("\"consoles\": [{}, {}]"), "more than 1 consoles" },
    { JSON("\"initrd\": \"/a\""), "but no kernel" },
    { JSON("\"extra\": [{\"in\": \"\", \"xml\": \"<name>b</name>\"}]"), "which the model knows" },
    { JSON("\"extra\": [{\"in\": \"\", \"xml\": \"<a/><b/>\"}]"), "which is not one XML element" },
    { JSON("\"extra\": [{\"in\": \"\", \"xml\": \"<!DOCTYPE a><a/>\"}]"), "which is not one XML element" },
    { JSON("\"extra\": [{\"in\": \"x/y\", \"xml\": \"<a/>\"}]"), "not the path of an element" },
    { JSON("\"extra\": [{\"in\": \"devices/disk\", \"xml\": \"<a/>\"}]"), "not the path of an element" },
    { JSON("\"extra\": [{\"in\": \"on_crash\", \"xml\": \"<a/>\"}]"),
      "for on_crash, which is not there itself" },
    { JSON("\"extra\": [{\"in\": \"memory\", \"attribute\": \"unit\", \"value\": \"TiB\"}]"), "which the model knows" },
    { JSON("\"extra\": [{\"in\": \"\", \"attribute\": \"a b\", \"value\": \"c\"}]"), "no attribute of XML" },
    { JSON("\"extra\": [{\"in\": \"\", \"attribute\": \"a b='c'\", \"value\": \"c\"}]"), "no attribute of XML" },
    { JSON("\"extra\": [{\"in\": \"\", \"attribute\": \"a:b\", \"value\": \"c\"}]"), "no attribute of XML" },
    { JSON("\"extra\": [{\"in\": \"\", \"attribute\": \"\", \"value\": \"c\"}]"), "no attribute of XML" },
    { JSON("\"extra\": [{\"in\": \"metadata\", \"xml\": \"<guest xmlns='urn:paravane:guest' cap='1'/>\"}]"),
      "which the model knows" },
    { "name", "line 1: name has no = behind it" },
    { "name = 'a", "line 1: name has a string that is not closed" },
    { "name = a", "line 1: name has a value that is no number" },
    { "name = '\\q'", "has a \\ before a character" },
    { "name = 'a' 'b'", "has something behind its value" },
    { XL("type = 'hvm'"), "line 3: type is \"hvm\", which is not for PV guests: pv" },
    { XL("vcpus = [1]"), "line 3: vcpus is a list" },
    { XL("disk = [ '/a,raw,xvda,rx' ]"), "access is neither ro nor rw" },
    { XL("disk = [ '/a,vhd,xvda' ]"), "line 3: disk is \"vhd\", which is no choice here: raw or qcow2" },
    { XL("disk = [ '/a' '/b' ]"), "not parted by commas" },
    { XL("vif = [ 'bridge' ]"), "a word without a key" },
    { XL("name = 'b'"), "was said before" },
    { XL("kernel = '/boot/vmlinuz '"), "write the whole path" },
};

static void test_refusals(void)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct vane_error error = { 0 };
        struct definition d;
        char *ignored;
        int rc = definition_read(&d, refused[i].text, strlen(refused[i].text), &ignored, &error);

        CU_ASSERT(rc != 0 && strstr(error.text, refused[i].why) != NULL);
        if (rc == 0 || !strstr(error.text, refused[i].why))
            printf("%s\n  gave: %s\n  not:  %s\n", refused[i].text, rc ? error.text : "nothing", refused[i].why);
        free(ignored);
        definition_fini(&d);
    }
}

static void test_limits(void)
{
    struct vane_error error;
    struct definition d;
    size_t size = DEFINITION_MAX_BYTES + 1;
    char *text = malloc(size), *ignored;

    CU_ASSERT_FATAL(text != NULL);
    memset(text, ' ', size);
    text[0] = '<';
    CU_ASSERT(definition_read(&d, text, size, &ignored, &error) != 0 && strstr(error.text, "leave something out"));
    definition_fini(&d);
    CU_ASSERT(definition_read(&d, "name = 'a\0b'", 12, &ignored, &error) != 0 && strstr(error.text, "zero byte"));
    definition_fini(&d);
    // As deep as libxml2 lets it be: kept as text, without recursion of ours.
    size = 0;
    size += (size_t)sprintf(text, "<domain><name>a</name><memory>65536</memory>");
    for (int i = 0; i < 200; i++)
        size += (size_t)sprintf(text + size, "<deep>");
    for (int i = 0; i < 200; i++)
        size += (size_t)sprintf(text + size, "</deep>");
    size += (size_t)sprintf(text + size, "</domain>");
    round_trip(text);
    free(text);
}

static void test_set(void)
{
    struct vane_error error;
    struct definition d, copy;

    CU_ASSERT_FATAL(read_text(&d, virt_install, &error) == 0);
    CU_ASSERT(definition_set(&d, "memory_kib", "262144", &error) == 0 && d.memory_kib == 262144);
    CU_ASSERT(definition_copy(&d, &copy, &error) == 0 && copy.memory_kib == 262144 && copy.disks.count == d.disks.count);
    CU_ASSERT(definition_set(&copy, "memory_kib", "2097152", &error) == 0 && definition_check(&copy, &error) != 0);
    CU_ASSERT(definition_set(&copy, "max_memory_kib", "2097152", &error) == 0 && definition_check(&copy, &error) == 0);
    CU_ASSERT(definition_set(&copy, "memory_kib", "3", &error) != 0 && copy.memory_kib == 2097152);
    definition_fini(&copy);
    CU_ASSERT(d.memory_kib == 262144 && definition_check(&d, &error) == 0);
    CU_ASSERT(definition_set(&d, "name", "new", &error) == 0 && !strcmp(d.name, "new"));
    CU_ASSERT(definition_set(&d, "name", "../new", &error) != 0 && !strcmp(d.name, "new"));
    CU_ASSERT(definition_set(&d, "kernel", "relative", &error) != 0 && !strcmp(d.kernel, "/boot/vmlinuz"));
    CU_ASSERT(definition_set(&d, "disks", "x", &error) != 0);
    CU_ASSERT(definition_set(&d, "nothing", "x", &error) != 0);
    definition_fini(&d);
}

static void test_items(void)
{
    static const struct definition_text nic[] = { { "bridge", "br1" }, { "mtu", "9000" }, { "mac", "00:16:3E:00:00:09" } },
        bad[] = { { "bridge", "br1" }, { "mtu", "9" } }, unknown[] = { { "colour", "red" } }, disk[] = { { "file", "/a" } };
    struct vane_error error;
    struct definition d;
    const struct nic *nics;

    CU_ASSERT_FATAL(read_text(&d, virt_install, &error) == 0);
    CU_ASSERT(definition_add(&d, "nics", nic, 3, &error) == 0 && d.nics.count == 2 && definition_check(&d, &error) == 0);
    nics = d.nics.items;
    CU_ASSERT(!strcmp(nics[1].bridge, "br1") && nics[1].mtu == 9000 && nics[1].queues == 1 && nics[1].type == NIC_BRIDGE);
    CU_ASSERT_STRING_EQUAL(nics[1].mac, "00:16:3e:00:00:09");
    CU_ASSERT(definition_set_item(&d, "nics", 0, "mac", "00:16:3e:00:00:0a", &error) == 0);
    CU_ASSERT(definition_set_item(&d, "nics", 0, "mac", "01:16:3e:00:00:0a", &error) != 0);
    definition_remove(&d, "nics", 0);
    CU_ASSERT(d.nics.count == 1 && !strcmp(((struct nic *)d.nics.items)->bridge, "br1"));
    definition_remove(&d, "nics", 0);
    CU_ASSERT(d.nics.count == 0 && definition_check(&d, &error) == 0);
    CU_ASSERT(definition_add(&d, "nics", bad, 2, &error) != 0 && strstr(error.text, "outside 68 to 65521"));
    CU_ASSERT(definition_add(&d, "nics", unknown, 1, &error) != 0 && strstr(error.text, "is no field that can be set"));
    CU_ASSERT(definition_add(&d, "disks", disk, 1, &error) != 0 && strstr(error.text, "the disk has no target"));
    definition_fini(&d);
}

static void test_schema(void)
{
    char *text = definition_schema();
    json_t *schema = json_loads(text, 0, NULL), *properties = json_object_get(schema, "properties");
    json_t *disk = json_object_get(json_object_get(json_object_get(properties, "disks"), "items"), "properties");

    CU_ASSERT_FATAL(schema != NULL && properties != NULL && disk != NULL);
    CU_ASSERT(json_integer_value(json_object_get(json_object_get(properties, "vcpus"), "maximum")) == 256);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(json_object_get(disk, "type"), "enum"), 1)),
                           "block");
    CU_ASSERT(json_is_false(json_object_get(schema, "additionalProperties")));
    json_decref(schema);
    free(text);
}

static void test_uuid(void)
{
    uint8_t bytes[16];

    uuid_bytes("00112233-4455-6677-8899-aabbccddeeff", bytes);
    for (unsigned i = 0; i < 16; i++)
        CU_ASSERT(bytes[i] == i * 17);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "virt-install", test_virt_install }, { "xml-is-kept", test_xml_is_kept },
        { "round-trips", test_round_trips },   { "long-names", test_long_names },
        { "xl", test_xl },
        { "refusals", test_refusals },         { "limits", test_limits },
        { "set", test_set },                   { "items", test_items },
        { "schema", test_schema },
        { "uuid", test_uuid },                 { NULL, NULL },
    };

    return unit_main("definition", tests);
}
