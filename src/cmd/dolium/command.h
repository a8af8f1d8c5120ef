/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as data: every command, argument and option is a row here, and reading the
 * command line, help, completion and the check of the man page are made from the same rows.
 */
#pragma once

#include "base/error.h"

typedef struct dol_cli dol_cli;

/* What a value is: how it is checked, and what completion offers for it. */
typedef enum {
        DOL_VALUE_FLAG,   /* an option without a value */
        DOL_VALUE_TOGGLE, /* --protect, --protect=true, --protect=false */
        DOL_VALUE_TEXT,
        DOL_VALUE_NUMBER,
        DOL_VALUE_SIZE,
        DOL_VALUE_IOPS, /* a number, or "none" */
        DOL_VALUE_BPS,  /* a size, or "none" */
        DOL_VALUE_DURATION,
        DOL_VALUE_MODE,
        DOL_VALUE_RATIO,    /* a fraction like 1.5 */
        DOL_VALUE_LABEL,    /* key=value */
        DOL_VALUE_SELECTOR, /* key=value, or a key alone */
        DOL_VALUE_WORD,     /* one of `words` */
        DOL_VALUE_PATH,
        DOL_VALUE_VOLUME,   /* name of a volume that exists, or uid:<uid> */
        DOL_VALUE_TRASHED,  /* the same for one in the trash */
        DOL_VALUE_SNAPSHOT, /* VOLUME@NAME, or uid:<uid> */
        DOL_VALUE_IMAGE,    /* a volume or a snapshot */
        DOL_VALUE_POOL,
        DOL_VALUE_SCHEDULE,
        DOL_VALUE_OPERATION, /* uid of an operation */
        DOL_VALUE_COMMAND,   /* a word of a command (for help) */
} dol_value_kind;

enum {
        DOL_REPEAT = 1 << 0,   /* may be given several times; of an argument: one or more */
        DOL_MAY_MISS = 1 << 1, /* of an argument: need not be given */
        DOL_HIDDEN = 1 << 2,   /* of a command: not in help and completion */
        DOL_RAW = 1 << 3,      /* of a command: all that follows are arguments, unchecked */
};

typedef struct {
        const char *name; /* "size" for --size */
        dol_value_kind kind;
        char letter; /* 'o' for -o; 0 = none */
        unsigned flags;
        const char *metavar;      /* "SIZE"; NULL for flags and toggles */
        const char *const *words; /* of DOL_VALUE_WORD: NULL-terminated */
        const char *doc;          /* one sentence without a full stop */
} dol_option;

typedef struct {
        const char *name; /* "NAME" */
        dol_value_kind kind;
        unsigned flags;
        const char *const *words;
} dol_argument;

typedef struct dol_command dol_command;
struct dol_command {
        const char *name;
        const char *alias; /* accepted too, not shown in lists; may be NULL */
        unsigned flags;
        const char *summary;                       /* one line without a full stop */
        const char *help;                          /* paragraphs after it; may be NULL */
        const dol_argument *arguments;             /* end with {NULL}; NULL = none */
        const dol_option *options;                 /* end with {NULL}; NULL = none */
        const dol_command *const *commands;        /* of a group: NULL-terminated; else NULL */
        bool (*run)(dol_cli *cli, GError **error); /* NULL for a group */
};

/* The whole command line: `dolium` itself, a group. */
extern const dol_command dol_program;
/* Accepted by every command, before or after its name; ends with {NULL}. */
extern const dol_option dol_global_options[];

/* One per group, each at the foot of its file. */
extern const dol_command dol_volume_command, dol_snapshot_command, dol_files_command,
        dol_schedule_command, dol_trash_command, dol_pool_command, dol_operation_command,
        dol_events_command, dol_df_command, dol_doctor_command, dol_version_command,
        dol_completion_command, dol_complete_command, dol_help_command;

/* The sub-command of that name or alias; NULL when there is none. */
const dol_command *dol_command_find(const dol_command *group, const char *name);
/* The option of that long name, of the command or a global one; NULL when there is none. */
const dol_option *dol_option_find(const dol_command *command, const char *name, size_t length);
const dol_option *dol_option_find_letter(const dol_command *command, char letter);
/* true when the option stands alone: its value, if any, is joined with '='. */
bool dol_option_is_flag(const dol_option *option);

/* INVALID, naming what is wrong and the nearest thing that is known. */
bool dol_command_unknown(const dol_command *group, const char *path, const char *word,
                         GError **error);
bool dol_option_unknown(const dol_command *command, const char *path, const char *word,
                        GError **error);
/* Checks a value by its kind. INVALID says what was expected. */
bool dol_value_check(dol_value_kind kind, const char *const *words, const char *text,
                     GError **error);
