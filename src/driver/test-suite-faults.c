/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite with faults. Each verb is done on a pool in a known state with the fault at
 * its first step, then on another with the fault at its second, and so on until it gets through
 * untouched: first as an error that it must report, then as a kill of the process. After each, the
 * pool is opened again, the verb is repeated without a fault and must succeed, and the volume's
 * life goes on to its end, of which nothing may be left.
 */
#include "driver/test-suite.h"

#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS_MAX = 200 };

typedef struct fault_verb {
        const char *name;
        bool before_create; /* the volume is not there yet */
        bool (*act)(suite_pool *suite, const dol_volume *volume, GError **error);
        void (*check)(suite_pool *suite, const dol_volume *volume);
} fault_verb;

static bool act_open(suite_pool *suite, const dol_volume *volume, GError **error)
{
        g_autoptr(dol_pool) pool = dol_pool_open(&suite->call, &suite->request, error);

        return pool != NULL;
}

static bool act_create(suite_pool *suite, const dol_volume *volume, GError **error)
{
        return dol_pool_create(suite->pool, &suite->call, volume, NULL, error);
}

static bool act_describe(suite_pool *suite, const dol_volume *volume, GError **error)
{
        g_autoptr(dol_volume) changed = dol_volume_copy(volume);

        g_free(changed->name);
        changed->name = g_strdup("changed");
        return dol_pool_describe(suite->pool, &suite->call, changed, error);
}

/* The hold is closed at once: nothing else would hold it when the process is killed. */
static bool act_attach(suite_pool *suite, const dol_volume *volume, GError **error)
{
        dol_driver_attachment attachment;

        if (!dol_pool_attach(suite->pool, &suite->call, volume->uid, &attachment, NULL, error))
                return false;
        g_free(attachment.directory);
        return true;
}

static bool act_detach(suite_pool *suite, const dol_volume *volume, GError **error)
{
        return dol_pool_detach(suite->pool, &suite->call, volume->uid, error);
}

static bool act_destroy(suite_pool *suite, const dol_volume *volume, GError **error)
{
        return dol_pool_destroy(suite->pool, &suite->call, volume->uid, error);
}

static bool act_inspect(suite_pool *suite, const dol_volume *volume, GError **error)
{
        return dol_pool_inspect(suite->pool, &suite->call, volume->uid, NULL, error);
}

static bool see(const char *uid, const dol_volume *description, const char *reason, void *user)
{
        return true;
}

static bool act_list(suite_pool *suite, const dol_volume *volume, GError **error)
{
        return dol_pool_list(suite->pool, &suite->call, see, NULL, error);
}

static bool act_space(suite_pool *suite, const dol_volume *volume, GError **error)
{
        return dol_pool_space_of(suite->pool, &suite->call, NULL, error);
}

static bool act_ballast(suite_pool *suite, const dol_volume *volume, GError **error)
{
        if (!dol_pool_driver(suite->pool)->relieve)
                return true;
        return dol_pool_relieve(suite->pool, &suite->call, NULL, error) &&
               dol_pool_replenish(suite->pool, &suite->call, error);
}

static void check_whole(suite_pool *suite, const dol_volume *volume)
{
        g_autofree char *name = NULL;

        g_assert_cmpuint(suite_count(suite, &name), ==, 1);
        g_assert_cmpstr(name, ==, volume->name);
}

static void check_changed(suite_pool *suite, const dol_volume *volume)
{
        g_autofree char *name = NULL;

        g_assert_cmpuint(suite_count(suite, &name), ==, 1);
        g_assert_cmpstr(name, ==, "changed");
}

static void check_gone(suite_pool *suite, const dol_volume *volume)
{
        g_assert_cmpuint(suite_count(suite, NULL), ==, 0);
}

static const fault_verb verbs[] = {
        {"open", false, act_open, check_whole},
        {"create", true, act_create, check_whole},
        {"describe", false, act_describe, check_changed},
        {"attach", false, act_attach, check_whole},
        {"detach", false, act_detach, check_whole},
        {"destroy", false, act_destroy, check_gone},
        {"inspect", false, act_inspect, check_whole},
        {"list", false, act_list, check_whole},
        {"space", false, act_space, check_whole},
        {"ballast", false, act_ballast, check_whole},
};

/* The rest of the volume's life, and of the pool's. */
static void finish(suite_pool *suite, const dol_volume *volume)
{
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_pool_detach(suite->pool, &suite->call, volume->uid, &error), error);
        suite_destroy(suite, volume->uid);
        g_assert_cmpuint(suite_count(suite, NULL), ==, 0);
}

static void repeat(suite_pool *suite, const fault_verb *verb, const dol_volume *volume)
{
        g_autoptr(GError) error = NULL;

        suite_pool_open(suite);
        dol_assert_done(verb->act(suite, volume, &error), error);
        verb->check(suite, volume);
        finish(suite, volume);
}

static void arm(const char *action, unsigned after)
{
        g_autofree char *plan = g_strdup_printf("*=%s,after=%u", action, after);
        g_autoptr(GError) error = NULL;

        dol_assert_done(dol_fault_arm(plan, &error), error);
}

/* true while there was a step to fail. */
static bool fail_at(const suite_host *host, const fault_verb *verb, unsigned step)
{
        g_autoptr(dol_volume) volume = suite_volume(host, "a");
        g_auto(suite_pool) suite = {0};
        g_autoptr(GError) error = NULL;
        bool done;

        suite_pool_init(&suite, host);
        suite_pool_open(&suite);
        if (!verb->before_create)
                g_free(suite_create(&suite, volume));
        arm("error:denied", step);
        done = verb->act(&suite, volume, &error);
        if (!done)
                g_assert_nonnull(strstr(error->message, "pool 'fast': "));
        g_assert_true(done == !error);
        dol_fault_arm(NULL, NULL);
        repeat(&suite, verb, volume);
        return !done;
}

typedef struct {
        suite_pool *suite;
        const fault_verb *verb;
        const dol_volume *volume;
        unsigned step;
} kill_plan;

static void act_and_die(void *user)
{
        const kill_plan *plan = user;

        arm("kill", plan->step);
        plan->verb->act(plan->suite, plan->volume, NULL);
}

/* true while there was a step to be killed at. */
static bool kill_at(const suite_host *host, const fault_verb *verb, unsigned step)
{
        g_autoptr(dol_volume) volume = suite_volume(host, "a");
        g_auto(suite_pool) suite = {0};
        kill_plan plan = {&suite, verb, volume, step};
        int status;

        suite_pool_init(&suite, host);
        suite_pool_open(&suite);
        if (!verb->before_create)
                g_free(suite_create(&suite, volume));
        status = dol_ground_child(act_and_die, &plan);
        g_assert_true(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
        repeat(&suite, verb, volume);
        return WIFSIGNALED(status);
}

/* Making a pool: the place is empty before. */
static bool make_at(const suite_host *host, unsigned step, bool by_kill)
{
        g_autoptr(dol_volume) volume = suite_volume(host, "a");
        g_auto(suite_pool) suite = {0};
        kill_plan plan = {&suite, &verbs[0], volume, step};
        bool hit;

        suite_pool_init(&suite, host);
        if (by_kill) {
                hit = WIFSIGNALED(dol_ground_child(act_and_die, &plan));
        } else {
                arm("error:denied", step);
                hit = !act_open(&suite, volume, NULL);
                dol_fault_arm(NULL, NULL);
        }
        suite_pool_open(&suite);
        g_free(suite_create(&suite, volume));
        finish(&suite, volume);
        return hit;
}

static void test_errors(const void *row)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(verbs); i++) {
                unsigned step = 0;

                while (fail_at(row, &verbs[i], step))
                        g_assert_cmpuint(++step, <, STEPS_MAX);
                g_test_message("%s: an error at each of %u steps", verbs[i].name, step);
        }
}

static void test_kills(const void *row)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(verbs); i++) {
                unsigned step = 0;

                while (kill_at(row, &verbs[i], step))
                        g_assert_cmpuint(++step, <, STEPS_MAX);
                g_test_message("%s: killed at each of %u steps", verbs[i].name, step);
        }
}

static void test_making(const void *row)
{
        for (unsigned by_kill = 0; by_kill < 2; by_kill++) {
                unsigned step = 0;

                while (make_at(row, step, by_kill))
                        g_assert_cmpuint(++step, <, STEPS_MAX);
                g_assert_cmpuint(step, >=, 2);
        }
}

void suite_add_faults(const suite_host *host)
{
        g_autofree char *errors = g_strdup_printf("/%s/errors", host->name);
        g_autofree char *kills = g_strdup_printf("/%s/kills", host->name);
        g_autofree char *making = g_strdup_printf("/%s/making", host->name);

        g_test_add_data_func(errors, host, test_errors);
        g_test_add_data_func(kills, host, test_kills);
        g_test_add_data_func(making, host, test_making);
}
