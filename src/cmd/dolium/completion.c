/* SPDX-License-Identifier: Apache-2.0 */
/* dolium completion: scripts that let a shell ask "dolium __complete" what can stand at the cursor.
 * They know no command themselves, so they fit every version. */
#include "cmd/dolium/cli.h"

#include <stdio.h>
#include <string.h>

/* bash splits words at '=' and ':' too: they are put together again, and what stands before the
 * last of these is cut off what readline gets. */
static const char bash_script[] =
        "# bash completion for dolium\n"
        "_dolium()\n"
        "{\n"
        "    local -a words=()\n"
        "    local i word glue= prefix\n"
        "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        if [[ $word == [=:] && ${#words[@]} -gt 0 ]]; then\n"
        "            words[${#words[@]} - 1]+=$word\n"
        "            glue=1\n"
        "        elif [[ $glue ]]; then\n"
        "            words[${#words[@]} - 1]+=$word\n"
        "            glue=\n"
        "        else\n"
        "            words+=(\"$word\")\n"
        "        fi\n"
        "    done\n"
        "    word=${words[${#words[@]} - 1]}\n"
        "    prefix=${word%\"${word##*[=:]}\"}\n"
        "    mapfile -t COMPREPLY < <(dolium __complete bash \"${words[@]}\" 2>/dev/null)\n"
        "    if [[ ${COMPREPLY[0]} == :path ]]; then\n"
        "        COMPREPLY=()\n"
        "        compopt -o default\n"
        "        return\n"
        "    fi\n"
        "    for i in \"${!COMPREPLY[@]}\"; do\n"
        "        COMPREPLY[i]=${COMPREPLY[i]#\"$prefix\"}\n"
        "        [[ $word == [\\\"\\']* ]] || printf -v \"COMPREPLY[$i]\" %q \"${COMPREPLY[i]}\"\n"
        "    done\n"
        "}\n"
        "complete -F _dolium dolium\n";

static const char zsh_script[] =
        "#compdef dolium\n"
        "# zsh completion for dolium\n"
        "_dolium()\n"
        "{\n"
        "    local line\n"
        "    local -a values shown\n"
        "    while IFS= read -r line; do\n"
        "        if [[ $line == :path ]]; then\n"
        "            compset -P '*='\n"
        "            _files\n"
        "            return\n"
        "        fi\n"
        "        values+=(\"${line%%$'\\t'*}\")\n"
        "        shown+=(\"${line/$'\\t'/  -- }\")\n"
        "    done < <(dolium __complete zsh \"${(@)words[2,CURRENT-1]}\" \"$PREFIX\" 2>/dev/null)\n"
        "    (( $#values )) && compadd -l -d shown -a values\n"
        "}\n"
        "if [[ $funcstack[1] == _dolium ]]; then\n"
        "    _dolium \"$@\"\n"
        "else\n"
        "    compdef _dolium dolium\n"
        "fi\n";

static const char fish_script[] =
        "# fish completion for dolium\n"
        "function __dolium_complete\n"
        "    set -l words (commandline -opc)\n"
        "    set -l found (dolium __complete fish $words[2..] (commandline -ct) 2>/dev/null)\n"
        "    if test \"$found[1]\" = :path\n"
        "        __fish_complete_path (commandline -ct)\n"
        "    else\n"
        "        printf '%s\\n' $found\n"
        "    end\n"
        "end\n"
        "complete -c dolium -f -a '(__dolium_complete)'\n";

static bool run_completion(dol_cli *cli, GError **error)
{
        const char *shell = dol_args_word(&cli->args, 0);

        if (strcmp(shell, "bash") == 0)
                fputs(bash_script, stdout);
        else if (strcmp(shell, "zsh") == 0)
                fputs(zsh_script, stdout);
        else
                fputs(fish_script, stdout);
        return true;
}

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static const dol_argument arguments[] = {
        {"SHELL", DOL_VALUE_WORD, .words = shells},
        {NULL},
};

const dol_command dol_completion_command = {
        .name = "completion",
        .summary = "Print a completion script for bash, zsh or fish",
        .help = "For this shell alone: source <(dolium completion bash), the same for zsh;\n"
                "dolium completion fish | source. The packages install it for everybody.",
        .arguments = arguments,
        .run = run_completion,
};
