// SPDX-License-Identifier: MIT
// A guest's console on this terminal: one process shows what the guest says, the other sends what is typed.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "http.h"
#include "vane.h"

enum { LEAVE = 0x1d };              // Ctrl-]

static int show(const char *text, size_t size)
{
    fwrite(text, 1, size, stdout);
    fflush(stdout);
    return ferror(stdout);
}

// Who we are among the viewers, in words.
static void viewer_name(char name[64])
{
    const char *user = getenv("USER"), *tty = ttyname(0);

    snprintf(name, 64, "%.20s@%.20s:%d", user && *user ? user : "somebody", tty && strncmp(tty, "/dev/", 5) == 0 ? tty + 5 : "none",
             (int)getpid());
}

// The guest may have room for less at a time.
static int type(const struct vane *vane, const char *path, const char *text, size_t size)
{
    while (size) {
        char *answer;
        int rc = request(vane, "POST", path, text, size, &answer);
        json_t *reply = rc == EXIT_DONE ? json_loads(answer, 0, NULL) : NULL;
        size_t taken = (size_t)json_integer_value(json_object_get(reply, "taken"));

        json_decref(reply);
        free(answer);
        if (rc != EXIT_DONE || taken > size)
            return rc;
        text += taken;
        size -= taken;
        if (size)
            usleep(taken ? 0 : 20000);
    }
    return EXIT_DONE;
}

// Until the other process ends, which closes its end of `other`, or Ctrl-] is typed. Who was told that another one types
// has looked on since.
static int relay(const struct vane *vane, const char *path, int other)
{
    struct pollfd fds[] = { { .fd = 0, .events = POLLIN }, { .fd = other } };
    int rc = EXIT_DONE;
    bool looks_on = false;

    while (rc == EXIT_DONE && poll(fds, 2, -1) >= 0 && !fds[1].revents) {
        char text[512], *leave;
        ssize_t size = fds[0].revents ? read(0, text, sizeof(text)) : 0;

        if (fds[0].revents && size <= 0)
            fds[0].fd = -1;         // nothing more will be typed; the guest may have more to say
        leave = size > 0 ? memchr(text, LEAVE, (size_t)size) : NULL;
        if (size > 0 && !looks_on)
            rc = type(vane, path, text, leave ? (size_t)(leave - text) : (size_t)size);
        if (leave)
            break;
        looks_on = looks_on || rc == EXIT_KINDS + VANE_STATE - 1;
        rc = looks_on ? EXIT_DONE : rc;
    }
    return rc;
}

// So that who comes next need not wait until we are seen to be gone. If it fails, that is what happens.
static void give_back(const struct vane *vane, const char *path)
{
    char leave[700], *answer = NULL;

    snprintf(leave, sizeof(leave), "%s&leave=1", path);
    (void)http_request(vane->socket, "POST", leave, NULL, 0, &answer);
    free(answer);
}

static int attend(const struct vane *vane, const char *path)
{
    int ends[2], rc;
    pid_t child;

    if (pipe(ends))
        return complain("there is no pipe");
    child = fork();
    if (child < 0)
        return complain("there is no second process");
    if (child == 0) {
        close(ends[0]);
        _exit(http_follow(vane->socket, path, show) < 0);
    }
    close(ends[1]);
    rc = relay(vane, path, ends[0]);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    give_back(vane, path);
    return rc;
}

// Is there anybody to talk to, and who talks?
static int greet(const struct vane *vane, const char *path, const char *own)
{
    char asked[700];
    const char *typist;
    json_t *reply;
    int rc;

    snprintf(asked, sizeof(asked), "%s%s", path, vane->take ? "&take=1" : "");
    rc = request_json(vane, "POST", asked, NULL, &reply);
    typist = json_string_value(json_object_get(reply, "typist"));
    if (typist && strcmp(typist, own) != 0)
        complain("%s types here: you look on; `vane console --take %s` takes the keyboard", typist, vane->words[0]);
    json_decref(reply);
    return rc;
}

int run_console(const struct vane *vane, const struct command *c)
{
    struct termios was, raw;
    bool is_terminal = tcgetattr(0, &was) == 0;
    char path[640], name[64], *viewer;
    int rc;

    viewer_name(name);
    viewer = encode(name);
    path_of(vane, c, path);
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "?viewer=%s", viewer);
    free(viewer);
    rc = greet(vane, path, name);
    if (rc != EXIT_DONE)
        return rc;
    if (is_terminal) {
        raw = was;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    rc = attend(vane, path);
    if (is_terminal)
        tcsetattr(0, TCSANOW, &was);
    return rc;
}
