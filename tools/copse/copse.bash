# SPDX-License-Identifier: Apache-2.0
# Completion of copse for bash.
_copse() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
  local commands='status top pops links sessions trees peers credit drops why events config'
  local options='--endpoint --token-file --ca --config --json --color --help --version'

  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    --endpoint | --token-file | --ca | --config | --color | -d | --delay | -n | --count) ((i++)) ;;
    -*) ;;
    *)
      command=${COMP_WORDS[i]}
      break
      ;;
    esac
  done
  case $before in
  --token-file | --ca | --config | check)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  --color)
    mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$word")
    return
    ;;
  --endpoint | -d | --delay | -n | --count) return ;;
  esac
  if [[ $word == -* ]]; then
    case $command in
    top) options+=' --once --delay' ;;
    trees) options+=' --dot' ;;
    events) options+=' --count' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    return
  fi
  case $command in
  '') mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word") ;;
  config) mapfile -t COMPREPLY < <(compgen -W 'check' -- "$word") ;;
  pops) [[ $before == pops ]] && mapfile -t COMPREPLY < <(compgen -W 'remove' -- "$word") ;;
  links) [[ $before == links ]] && mapfile -t COMPREPLY < <(compgen -W 'set reset' -- "$word") ;;
  credit) [[ $before == credit ]] && mapfile -t COMPREPLY < <(compgen -W 'add create' -- "$word") ;;
  esac
}
complete -o filenames -F _copse copse
