// SPDX-License-Identifier: MIT
// libvirt's domain XML. A document type, and with it every entity, is refused before it is read.
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

struct reader {
    const struct type *type;
    void *object;
    struct where *where;
};

static void refuse_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxtPtr parser = ctx;

    (void)name;
    (void)external;
    (void)system;
    *(bool *)parser->_private = true;
    xmlStopParser(parser);
}

static xmlDoc *parse(const char *text, size_t length, struct vane_error *error)
{
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    struct where where = { .error = error, .path = "the XML" };
    bool has_doctype = false;
    xmlDoc *doc;

    if (!parser) {
        (void)no_memory(error);
        return NULL;
    }
    parser->_private = &has_doctype;
    parser->sax->internalSubset = refuse_doctype;
    doc = xmlCtxtReadMemory(parser, text, (int)length, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc || has_doctype || !parser->nsWellFormed) {
        const xmlError *problem = xmlCtxtGetLastError(parser);

        where.line = problem ? problem->line : 0;
        if (has_doctype)
            (void)refuse_form(&where, "has a document type, which is not accepted: leave out <!DOCTYPE> and entities");
        else
            (void)refuse_form(&where, "cannot be read: %.200s: mend it (xmllint shows where)",
                              problem && problem->message ? problem->message : "it is empty");
        xmlFreeDoc(doc);
        doc = NULL;
    }
    xmlFreeParserCtxt(parser);
    return doc;
}

// "p:" stands for our namespace. False for a name that no path of ours can have.
static bool path_step(const char *prefix, const char *sign, const xmlChar *name, const xmlNs *ns, char path[PATH_SIZE])
{
    bool ours = ns && strcmp((const char *)ns->href, PARAVANE_NAMESPACE) == 0;

    return (!ns || ours) && snprintf(path, PATH_SIZE, "%s%s%s%s%s", prefix, *prefix ? "/" : "", sign,
                                     ours ? "p:" : "", (const char *)name) < PATH_SIZE;
}

static void name_place(struct reader *r, const xmlNode *node, const char *path)
{
    r->where->line = (int)xmlGetLineNo(node);
    snprintf(r->where->path, sizeof(r->where->path), "%s%s%s", r->type == &definition_type ? "" : r->type->name,
             r->type == &definition_type ? "" : "/", path);
}

static char *dump(xmlNode *node)
{
    xmlDoc *doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNode *copy = doc ? xmlDocCopyNode(node, doc, 1) : NULL;
    xmlBuffer *buffer = xmlBufferCreate();
    char *text = NULL;

    if (copy && buffer) {
        xmlDocSetRootElement(doc, copy);
        if (xmlNodeDump(buffer, doc, copy, 0, 0) > 0)
            text = strdup((const char *)xmlBufferContent(buffer));
    }
    xmlBufferFree(buffer);
    xmlFreeDoc(doc);
    return text;
}

static int keep_element(struct reader *r, xmlNode *node, const char *in)
{
    return extra_add(r->object, strdup(in), NULL, dump(node), r->where);
}

static int read_attribute(struct reader *r, xmlNode *node, const xmlAttr *attribute, const char *prefix)
{
    char path[PATH_SIZE], *value;
    const struct field *f, *of = field_by_xml(r->type, prefix);
    bool fits = path_step(prefix, "@", attribute->name, attribute->ns, path);
    int rc;

    if (of && of->type == FIELD_SIZE && strcmp((const char *)attribute->name, "unit") == 0)
        return 0;
    name_place(r, node, fits ? path : prefix);
    f = fits ? field_by_xml(r->type, path) : NULL;
    if (attribute->ns && !f)
        return refuse_form(r->where, "has the attribute %.60s of another namespace: put it on an element of its own",
                           (const char *)attribute->name);
    value = (char *)xmlNodeListGetString(node->doc, attribute->children, 1);
    if (!value)
        value = (char *)xmlStrdup(BAD_CAST "");
    if (!value)
        return no_memory(r->where->error);
    if (f)
        rc = field_set(r->type, f, r->object, value, "", r->where);
    else if (!text_is_plain(value))
        rc = refuse(r->where, value, "which is not plain text in UTF-8", "leave out control characters");
    else
        rc = extra_add(r->object, strdup(prefix), strdup((const char *)attribute->name), strdup(value), r->where);
    xmlFree(value);
    return rc;
}

// Sizes, numbers and names may stand between blanks, as libvirt lets them.
static char *trim(char *text)
{
    static const char blanks[] = " \t\r\n";
    size_t length;

    text += strspn(text, blanks);
    for (length = strlen(text); length && strchr(blanks, text[length - 1]); length--)
        text[length - 1] = '\0';
    return text;
}

static char *own_text(const xmlNode *node)
{
    xmlChar *text = xmlStrdup(BAD_CAST "");

    for (const xmlNode *child = node->children; child && text; child = child->next)
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
            text = xmlStrcat(text, child->content);
    return (char *)text;
}

static int read_text(struct reader *r, const struct field *f, xmlNode *node, const char *path)
{
    char *text = own_text(node);
    const char *said;
    xmlChar *unit = f->type == FIELD_SIZE ? xmlGetNoNsProp(node, BAD_CAST "unit") : NULL;
    int rc;

    name_place(r, node, path);
    if (!text)
        return no_memory(r->where->error);
    said = f->type == FIELD_TEXT && !f->rule ? text : trim(text);
    if (f->type == FIELD_FLAG && !*said)
        said = "yes";
    rc = field_set(r->type, f, r->object, said, unit ? (const char *)unit : "KiB", r->where);
    xmlFree(unit);
    xmlFree(text);
    return rc;
}

static int read_inside(struct reader *r, xmlNode *node, const char *prefix);

static int read_item(struct reader *r, const struct field *f, xmlNode *node)
{
    struct reader item = { .type = f->items, .where = r->where };
    int rc;

    name_place(r, node, f->xml);
    item.object = list_add(f, r->object, r->where);
    if (!item.object)
        return -(int)r->where->error->kind;
    rc = read_inside(&item, node, "");
    if (rc)
        return rc;
    name_place(r, node, f->xml);
    return object_check(f->items, item.object, r->where);
}

static int read_element(struct reader *r, xmlNode *node, const char *prefix)
{
    char path[PATH_SIZE];
    bool fits = path_step(prefix, "", node->name, node->ns, path);
    const struct field *f = fits ? field_by_xml(r->type, path) : NULL;
    int rc;

    name_place(r, node, fits ? path : prefix);
    if (f && f->type == FIELD_LIST)
        return read_item(r, f, node);
    if (!f && (!fits || !type_has_below(r->type, path)))
        return keep_element(r, node, prefix);
    rc = f ? read_text(r, f, node, path) : 0;
    return rc ? rc : read_inside(r, node, path);
}

// No deeper than the table's paths: what is below those is kept as text.
static int read_inside(struct reader *r, xmlNode *node, const char *prefix)
{
    int rc = 0;

    for (const xmlAttr *attribute = node->properties; attribute && rc == 0; attribute = attribute->next)
        rc = read_attribute(r, node, attribute, prefix);
    for (xmlNode *child = node->children; child && rc == 0; child = child->next)
        if (child->type == XML_ELEMENT_NODE)
            rc = read_element(r, child, prefix);
    return rc;
}

int definition_read_xml(struct definition *d, const char *text, size_t length, struct vane_error *error)
{
    struct where where = { .error = error };
    struct reader r = { &definition_type, d, &where };
    xmlNode *root;
    xmlDoc *doc;
    int rc;

    object_init(&definition_type, d);
    rc = definition_check_size(text, length, error);
    if (rc)
        return rc;
    doc = parse(text, length, error);
    if (!doc)
        return -(int)error->kind;
    root = xmlDocGetRootElement(doc);
    name_place(&r, root, "the outermost element");
    if (root->ns || strcmp((const char *)root->name, "domain") != 0)
        rc = refuse(&where, (const char *)root->name, "but only one thing can be defined", "write a <domain>");
    else
        rc = read_inside(&r, root, "");
    xmlFreeDoc(doc);
    return rc ? rc : definition_finish(d, error);
}

// By the parser, which has more letters than xmlValidateNCName(): what it took as a name is one here too.
bool xml_is_name(const char *text)
{
    struct vane_error ignored;
    char *element = NULL;
    xmlDoc *doc = asprintf(&element, "<%s/>", text) < 0 ? NULL : parse(element, strlen(element), &ignored);
    bool is = doc && !strchr(text, ':') && strcmp((const char *)xmlDocGetRootElement(doc)->name, text) == 0;

    xmlFreeDoc(doc);
    free(element);
    return is;
}

char *xml_normalise(const char *text, char name[PATH_SIZE + 8])
{
    struct vane_error ignored;
    xmlDoc *doc = parse(text, strlen(text), &ignored);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    char path[PATH_SIZE], *result = NULL;

    if (root && !root->prev && !root->next) {
        // A name of another namespace, or longer than any of ours, is none that the table has.
        snprintf(name, PATH_SIZE + 8, "%s", path_step("", "", root->name, root->ns, path) ? path : "{}");
        result = dump(root);
    }
    xmlFreeDoc(doc);
    return result;
}

// Writing.

static xmlNode *last_child(const xmlNode *node, const char *name)
{
    for (xmlNode *child = node->last; child; child = child->prev)
        if (child->type == XML_ELEMENT_NODE && strcmp((const char *)child->name, name) == 0)
            return child;
    return NULL;
}

static xmlNode *new_child(xmlNode *node, const char *name)
{
    bool ours = strncmp(name, "p:", 2) == 0;
    xmlNode *child = xmlNewChild(node, NULL, BAD_CAST (ours ? name + 2 : name), NULL);

    // Not the parent's: that is where xmlNewChild() takes it from.
    xmlSetNs(child, ours ? xmlNewNs(child, BAD_CAST PARAVANE_NAMESPACE, BAD_CAST "paravane") : NULL);
    return child;
}

// The element of a path, made as far as it is missing. A last step that is an attribute is left to the caller.
static xmlNode *ensure(xmlNode *node, const char *path, const char **attribute)
{
    char step[PATH_SIZE];
    xmlNode *child;

    *attribute = NULL;
    while (*path) {
        size_t length = strcspn(path, "/");

        if (*path == '@') {
            *attribute = path + 1;
            break;
        }
        snprintf(step, sizeof(step), "%.*s", (int)length, path);
        child = last_child(node, strncmp(step, "p:", 2) == 0 ? step + 2 : step);
        node = child ? child : new_child(node, step);
        path += length + (path[length] == '/');
    }
    return node;
}

static void write_value(const struct field *f, const void *object, xmlNode *top)
{
    char room[FIELD_ROOM];
    const char *attribute, *text = field_print(f, object, room);
    bool is_element = !strchr(f->xml, '@');
    xmlNode *node;

    if (f->type == FIELD_FLAG && is_element && !*field_number(f, object))
        return;
    node = ensure(top, f->xml, &attribute);
    if (f->type == FIELD_SIZE)
        xmlNewProp(node, BAD_CAST "unit", BAD_CAST "KiB");
    if (attribute)
        xmlNewProp(node, BAD_CAST attribute, BAD_CAST text);
    else if (f->type != FIELD_FLAG)
        // A text, be it empty: beside it nothing is indented, which would be read as more of it.
        xmlAddChild(node, xmlNewText(BAD_CAST text));
}

static void write_extras(const struct list *extras, xmlNode *top)
{
    const struct extra *extra = extras->items;

    for (size_t i = 0; i < extras->count; i++) {
        const char *attribute;
        xmlNode *node = ensure(top, extra[i].in, &attribute);
        xmlNode *text;

        if (extra[i].name) {
            xmlNewProp(node, BAD_CAST extra[i].name, BAD_CAST extra[i].value);
        } else if ((text = xmlNewText(BAD_CAST extra[i].value))) {
            text->name = xmlStringTextNoenc;
            // Not xmlAddChild(), which joins texts.
            text->parent = node;
            text->doc = node->doc;
            text->prev = node->last;
            *(node->last ? &node->last->next : &node->children) = text;
            node->last = text;
        }
    }
}

// Said, or the element of an attribute that is: <vcpu cpuset="0"/> without a number could not be read again.
static bool is_written(const struct type *type, const struct field *f, const void *object)
{
    size_t length = strlen(f->xml);
    bool is = f->type == FIELD_FIXED || field_is_given(type, f, object);

    for (size_t i = 0; i < type->nr_fields && !is; i++) {
        const char *xml = type->fields[i].xml;

        is = xml && strncmp(xml, f->xml, length) == 0 && strncmp(xml + length, "/@", 2) == 0 &&
             field_is_given(type, &type->fields[i], object);
    }
    return is;
}

static void write_object(const struct type *type, const void *object, xmlNode *node)
{
    for (size_t i = 0; i < type->nr_fields; i++) {
        const struct field *f = &type->fields[i];
        const char *name = f->xml ? strrchr(f->xml, '/') : NULL, *attribute;
        char parent[PATH_SIZE];

        if (f->xml && f->type != FIELD_LIST && is_written(type, f, object)) {
            write_value(f, object, node);
        } else if (f->type == FIELD_LIST && name) {
            snprintf(parent, sizeof(parent), "%.*s", (int)(name - f->xml), f->xml);
            for (size_t k = 0; k < field_list(f, object)->count; k++)
                write_object(f->items, list_item(f, field_list(f, object), k),
                             new_child(ensure(node, parent, &attribute), name + 1));
        }
    }
    write_extras(&((const struct object *)object)->extras, node);
}

static void indent(xmlNode *node, unsigned depth)
{
    static const char blanks[] = "\n                ";
    bool has_inside = false;

    for (xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_TEXT_NODE && child->name != xmlStringTextNoenc)
            return;
        has_inside = true;
    }
    for (xmlNode *child = node->children; child; child = child->next) {
        xmlAddPrevSibling(child, xmlNewTextLen(BAD_CAST blanks, (int)(1 + 2 * (depth + 1))));
        if (child->type == XML_ELEMENT_NODE)
            indent(child, depth + 1);
    }
    if (has_inside)
        xmlAddChild(node, xmlNewTextLen(BAD_CAST blanks, (int)(1 + 2 * depth)));
}

char *definition_write_xml(const struct definition *d)
{
    xmlDoc *doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNode *root = doc ? xmlNewNode(NULL, BAD_CAST "domain") : NULL;
    xmlBuffer *buffer = xmlBufferCreate();
    char *text = NULL;

    if (root && buffer) {
        xmlDocSetRootElement(doc, root);
        write_object(&definition_type, d, root);
        indent(root, 0);
        xmlNodeDump(buffer, doc, root, 0, 0);
        xmlBufferWriteChar(buffer, "\n");
        text = strdup((const char *)xmlBufferContent(buffer));
    }
    xmlBufferFree(buffer);
    xmlFreeDoc(doc);
    return text;
}
