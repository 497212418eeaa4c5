// SPDX-License-Identifier: MIT
//
// Requests and heads of HTTP; request.h says what. A request is looked at line by line once all of it is there.
#include "guest/http/request.h"

#include "bus/text.h"
#include "guest/libc.h"

#define MAX_BLANKS 2u              // empty lines before a request, which old clients send

struct span {
    const char *at;
    const char *end;
};

struct state {
    struct http_request *r;
    bool is_1_1;
    unsigned nr_hosts;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool is(struct span s, const char *word)
{
    for (; s.at < s.end && *word && lower(*s.at) == *word; s.at++)
        word++;
    return s.at == s.end && !*word;
}

// What a method and a header's name are made of.
static bool is_token(struct span s)
{
    bool has_any = s.at < s.end;

    for (; s.at < s.end; s.at++) {
        char c = lower(*s.at);
        bool is_mark = c == '-' || c == '_' || c == '.' || c == '!' || c == '~' || c == '*' || c == '+';
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !is_mark)
            return false;
    }
    return has_any;
}

static struct span trim(struct span s)
{
    while (s.at < s.end && (*s.at == ' ' || *s.at == '\t'))
        s.at++;
    while (s.at < s.end && (s.end[-1] == ' ' || s.end[-1] == '\t'))
        s.end--;
    return s;
}

// What lies before a mark; `rest` is what lies behind. Without one, all of it and nothing.
static struct span cut(struct span s, char mark, struct span *rest)
{
    const char *at = s.at;

    while (at < s.end && *at != mark)
        at++;
    *rest = (struct span){ at < s.end ? at + 1 : at, s.end };
    return (struct span){ s.at, at };
}

// The next line, without what ends it; false if its end has not come.
static bool next_line(struct span *all, struct span *line)
{
    struct span rest;

    *line = cut(*all, '\n', &rest);
    if (line->end == all->end)
        return false;
    *all = rest;
    line->end -= line->end > line->at && line->end[-1] == '\r';
    return true;
}

static int digit(char c)
{
    c = lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Of a target "/a%20b?c", or "http://host/a": the path. 200, 400 or 414.
static unsigned decode(struct span target, char path[HTTP_MAX_PATH])
{
    struct span rest;
    size_t n = 0;

    if (target.end - target.at > 7 && is((struct span){ target.at, target.at + 7 }, "http://")) {
        target = cut((struct span){ target.at + 7, target.end }, '/', &rest);
        target = (struct span){ target.end, rest.end };
    }
    target = cut(target, '?', &rest);
    if (target.at == target.end || *target.at != '/')
        return 400;
    for (const char *at = target.at + 1; at < target.end; at++) {
        int c = (unsigned char)*at;
        if (c == '%') {
            if (target.end - at < 3 || digit(at[1]) < 0 || digit(at[2]) < 0)
                return 400;
            c = digit(at[1]) << 4 | digit(at[2]);
            at += 2;
        }
        if (c < ' ' || c == 0x7f)
            return 400;
        if (n + sizeof("index.html") >= HTTP_MAX_PATH)
            return 414;
        path[n++] = (char)c;
    }
    path[n] = '\0';
    if (n == 0 || path[n - 1] == '/')
        format(path + n, HTTP_MAX_PATH - n, "index.html");
    return 200;
}

static unsigned parse_first(struct state *s, struct span line)
{
    struct span method = cut(line, ' ', &line);
    struct span version;
    struct span target = cut(line, ' ', &version);

    s->is_1_1 = is(version, "http/1.1");
    s->r->keeps_alive = s->is_1_1;
    s->r->is_head = is(method, "head");
    if (!is_token(method))
        return 400;
    if (!s->is_1_1 && !is(version, "http/1.0"))
        return version.end - version.at == 8 && is((struct span){ version.at, version.at + 5 }, "http/") ? 505 : 400;
    if (!s->r->is_head && !is(method, "get"))
        return 405;
    return decode(target, s->r->path);
}

static void parse_connection(struct http_request *r, struct span value)
{
    while (value.at < value.end) {
        struct span word = trim(cut(value, ',', &value));
        if (is(word, "close")) {
            r->keeps_alive = false;
            return;
        }
        r->keeps_alive |= is(word, "keep-alive");
    }
}

static unsigned parse_header(struct state *s, struct span line)
{
    struct span value;
    struct span name = cut(line, ':', &value);

    // Also a line that continues the one before, which nobody may send any more.
    if (name.end == line.end || !is_token(name))
        return 400;
    value = trim(value);
    if (is(name, "connection"))
        parse_connection(s->r, value);
    else if (is(name, "host"))
        s->nr_hosts++;
    else if (is(name, "transfer-encoding") || (is(name, "content-length") && !is(value, "0")))
        return 413;
    return 200;
}

static bool end_with(struct http_request *r, unsigned status)
{
    r->status = status;
    r->keeps_alive &= status == 200;
    return true;
}

bool http_parse(const char *data, size_t size, struct http_request *r)
{
    bool is_long = size >= HTTP_MAX_REQUEST;
    struct span all = { data, data + (is_long ? HTTP_MAX_REQUEST : size) };
    struct state s = { .r = r };
    struct span line;
    unsigned status = 0;
    unsigned nr_blanks = 0;

    *r = (struct http_request){ .status = 400 };
    while (next_line(&all, &line)) {
        r->size = (size_t)(all.at - data);
        bool is_empty = line.at == line.end;
        if (is_empty && status)
            return end_with(r, status == 200 && s.is_1_1 && s.nr_hosts != 1 ? 400 : status);
        if (is_empty && ++nr_blanks > MAX_BLANKS)
            return end_with(r, 400);
        if (!is_empty && !status) {
            status = parse_first(&s, line);
        } else if (!is_empty) {
            unsigned found = parse_header(&s, line);
            status = status == 200 ? found : status;
        }
    }
    return is_long && end_with(r, 431);
}

const char *http_reason(unsigned status)
{
    static const struct { unsigned status; const char *reason; } known[] = {
        { 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
        { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Error";
}

const char *http_type(const char *path)
{
    static const struct { const char *end; const char *type; } known[] = {
        { "html", "text/html; charset=utf-8" }, { "htm", "text/html; charset=utf-8" },
        { "txt", "text/plain; charset=utf-8" }, { "css", "text/css" }, { "js", "text/javascript" },
        { "json", "application/json" }, { "xml", "application/xml" }, { "svg", "image/svg+xml" },
        { "png", "image/png" }, { "jpg", "image/jpeg" }, { "gif", "image/gif" }, { "ico", "image/x-icon" },
        { "pdf", "application/pdf" }, { "gz", "application/gzip" },
    };
    struct span end = { path, path + strlen(path) };

    for (const char *at = path; at < end.end; at++)
        end.at = *at == '.' ? at + 1 : end.at;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && end.at > path; i++)
        if (is(end, known[i].end))
            return known[i].type;
    return "application/octet-stream";
}

size_t http_head(char *head, unsigned status, const char *type, uint64_t size, bool keeps_alive)
{
    return (size_t)format(head, HTTP_MAX_HEAD,
                          "HTTP/1.1 %u %s\r\nServer: paravane\r\nContent-Type: %s\r\nContent-Length: %lu\r\n%s%s\r\n",
                          status, http_reason(status), type, (unsigned long)size,
                          status == 405 ? "Allow: GET, HEAD\r\n" : "",
                          keeps_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
}
