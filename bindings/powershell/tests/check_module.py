"""Checks the PowerShell module by its text, and by a grammar of PowerShell: there is no PowerShell here to ask.

usage: check_module.py Amt.xml      the documentation file of Amt.dll, written by its compiler: what types and members there are

Needs the packages tree-sitter and tree-sitter-powershell.
"""

import re
import sys
import uuid
from pathlib import Path
from xml.etree import ElementTree

import tree_sitter_powershell
from tree_sitter import Language, Parser

MODULE = Path(__file__).parents[1] / "Amt"

# Approved verbs (Get-Verb) that fit what this module does.
VERBS = {"Add", "Approve", "Clear", "Compare", "Connect", "Convert", "ConvertFrom", "ConvertTo", "Export", "Find", "Format", "Get", "Import",
         "Initialize", "Invoke",
         "New", "Open", "Read", "Receive", "Remove", "Reset", "Resolve", "Resume", "Revoke", "Set", "Start", "Stop", "Suspend", "Test", "Unregister",
         "Update", "Wait", "Write"}
# These change a machine, or make something.
CHANGING = {"Add", "Approve", "Clear", "Export", "Initialize", "Invoke", "New", "Remove", "Reset", "Resume", "Revoke", "Set", "Suspend", "Update"}

# Where a pipeline begins, or which machine it is goes without saying: these take nothing from another.
SOURCES = {"New-AmtPsk", "Receive-AmtHello", "Get-AmtLocalStatus", "Initialize-AmtLocalMachine", "Reset-AmtLocalSetup"}

# Variables that hold what Amt.dll has.
OF_ASSEMBLY = ("attempt", "cause", "certificate", "device", "fleet", "hello", "inner", "job", "machine", "needed", "next", "outcome", "question", "record",
               "server")


class Function:
    """One function at the top of the module: its parameters and its help."""

    def __init__(self, name, body):
        self.name = name
        self.verb = name.split("-")[0]
        help_text = re.search(r"<#(.*?)#>", body, re.S)
        self.help = help_text.group(1) if help_text else ""
        self.code = re.sub(r"<#.*?#>", "", body, flags=re.S)
        self.parameters = re.findall(r"^ {8}\[[^\n]*\] \$(\w+)(?:,| = [^\n]*|)$", parameter_block(self.code), re.M)

    def section(self, keyword):
        return [text.strip() for text in re.findall(rf"^\s*\.{keyword}[^\n]*\n(.*?)(?=^\s*\.[A-Z]|\Z)", self.help, re.M | re.S)]

    def documented(self):
        return dict(re.findall(r"^\s*\.PARAMETER (\w+)\n\s*(\S[^\n]*)", self.help, re.M))


def parameter_block(code):
    """What stands between `param(` and its closing parenthesis, on a line of its own."""
    block = re.search(r"^    param\((.*?)^    \)$", code, re.M | re.S)
    return block.group(1) if block else ""


def module_text():
    """The module with the files that it takes in, which have to be all that are there."""
    module = (MODULE / "Amt.psm1").read_text()
    taken = re.findall(r"^\. \(Join-Path \$PSScriptRoot '(\w+\.ps1)'\)$", module, re.M)
    there = sorted(path.name for path in MODULE.glob("*.ps1"))
    if taken != there:
        sys.exit(f"Amt.psm1 takes in {taken}, there are {there}")
    return module + "\n".join((MODULE / name).read_text() for name in taken)


def functions(text):
    return [Function(name, body) for name, body in re.findall(r"^function ([\w-]+) \{\n(.*?)^\}$", text, re.M | re.S)]


def manifest_list(text, key):
    found = re.search(rf"^\s*{key} = @\((.*?)\)", text, re.M | re.S)
    return re.findall(r"'([^']*)'", found.group(1)) if found else None


def manifest_value(text, key):
    found = re.search(rf"^\s*{key} = '([^']*)'$", text, re.M)
    return found.group(1) if found else None


def problems(manifest, module, members):
    """Everything that is wrong, as (check, problem); `members` are the names in the assembly's documentation file."""
    found = []
    all_functions = functions(module)
    public = {function.name: function for function in all_functions if ".SYNOPSIS" in function.help}
    exported = manifest_list(manifest, "FunctionsToExport") or []
    by_module = re.search(r"^Export-ModuleMember -Function @\((.*?)^\)$", module, re.M | re.S)
    by_module = re.findall(r"^    '([^']*)'$", by_module.group(1), re.M) if by_module else []

    def need(check, good, problem):
        if not good:
            found.append((check, problem))

    need("exports", exported, "the manifest exports nothing")
    need("exports", set(exported) == set(by_module), f"manifest and module differ: {set(exported) ^ set(by_module)}")
    need("exports", set(exported) == set(public), f"exported or with help, not both: {set(exported) ^ set(public)}")
    need("exports", exported == sorted(set(exported)), "the manifest's list is not sorted")
    for key in ("CmdletsToExport", "VariablesToExport", "AliasesToExport"):
        need("exports", manifest_list(manifest, key) == [], f"{key} is not empty")
    need("manifest", manifest_value(manifest, "PowerShellVersion") == "5.1", "PowerShellVersion is not 5.1")
    need("manifest", manifest_list(manifest, "CompatiblePSEditions") == ["Desktop", "Core"], "not both editions")
    need("manifest", manifest_value(manifest, "RootModule") == "Amt.psm1", "RootModule is another file")
    try:
        uuid.UUID(manifest_value(manifest, "GUID") or "")
    except ValueError:
        found.append(("manifest", "GUID is none"))

    for name, function in public.items():
        need("verbs", function.verb in VERBS and name.split("-")[1].startswith("Amt"), f"{name} is not named as it should be")
        for keyword in ("SYNOPSIS", "DESCRIPTION", "EXAMPLE", "OUTPUTS"):
            need("help", any(function.section(keyword)), f"{name} has no .{keyword}")
        need("help", any(name in text or "Amt" in text for text in function.section("EXAMPLE")), f"{name}: the example is of another")
        documented = function.documented()
        need("help", set(documented) == set(function.parameters),
             f"{name}: parameters and their help differ: {sorted(set(documented) ^ set(function.parameters))}")
        need("parameters", function.code.count(" $") > 0 or not function.parameters, f"{name} has no parameters")
        need("parameters", "[CmdletBinding(" in function.code, f"{name} has no CmdletBinding")
        takes = "ValueFromPipeline" in function.code
        need("parameters", takes or not function.parameters or name in SOURCES, f"{name} takes nothing from the pipeline")
        need("parameters", not takes or "    process {" in function.code, f"{name} takes input and has no process block")
        should = "SupportsShouldProcess = $true" in function.code and "$PSCmdlet.ShouldProcess(" in function.code
        need("parameters", should == (function.verb in CHANGING), f"{name}: -WhatIf where it changes something, only there")
        for parameter in function.parameters:
            secret = re.search(rf"\[string(?:\[\])?\] \${parameter}\b", function.code) and re.search("(?i)password|secret", parameter)
            need("secrets", not secret, f"{name}: -{parameter} is a secret as text")

    types = {name[2:] for name in members if name.startswith("T:")}
    leaves = {name[2:].split("(")[0].rsplit(".", 1)[-1] for name in members if name[:2] in ("M:", "P:", "F:")}
    for name in re.findall(r"\[(Amt\.\w+)(?:\[\])?\]|New-Object (Amt\.\w+)", module):
        name = name[0] or name[1]
        need("assembly", name in types, f"{name} is no type of Amt.dll")
    for name, member in re.findall(r"\[(Amt\.\w+)\]::(\w+)", module):
        known = any(re.match(rf"[MPF]:{re.escape(name)}\.{member}(\(|$)", entry) for entry in members)
        need("assembly", known, f"{name} has no {member}")
    for variable, member in re.findall(rf"\$({'|'.join(OF_ASSEMBLY)})\.(\w+)", module, re.I):
        of_dotnet = {"InnerException", "Message"}
        need("assembly", member in leaves | of_dotnet, f"${variable}.{member} is nothing that Amt.dll has")

    taken = {}
    for name in members:
        if name.startswith("M:"):
            method, _, parameters = name[2:].partition("(")
            taken.setdefault(method.rsplit(".", 1)[-1], set()).add(count(parameters.rstrip(")")))
    # Optional ones count: PowerShell's binding of them is not relied on.
    for method, arguments in calls(re.sub(r"<#.*?#>", "", module, flags=re.S)):
        need("arguments", count(arguments) in taken.get(method, {count(arguments)}), f"{method}({arguments}): Amt.dll takes {taken.get(method)}")

    # What PowerShell 5.1 cannot read.
    for pattern in (r"\?\?", r"\?\.", r"&&", r"\|\|", r"\bclean \{", r" \? .* : "):
        hit = re.search(pattern, re.sub(r"<#.*?#>|#[^\n]*", "", module, flags=re.S))
        need("syntax", hit is None, f"{pattern} is not of PowerShell 5.1")
    for text, name in ((manifest, "Amt.psd1"), (module, "Amt.psm1")):
        need("syntax", balanced(text), f"{name}: brackets do not match")
        for line, part in unread(text):
            found.append(("grammar", f"{name}, line {line} of all files together: {part}"))
        need("syntax", text.isascii(), f"{name}: PowerShell 5.1 reads files without a mark as another encoding than UTF-8")
    return found


def calls(code):
    """Methods that are called of a variable or a type of Amt.dll, each with what stands between its parentheses."""
    for found in re.finditer(r"(?:\$\w+\.|\[Amt\.\w+\]::)(\w+)\(", code):
        end, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        yield found.group(1), code[found.end() : end - 1]


def count(arguments):
    """How many arguments, or types of parameters, this is: commas outside of brackets, and one more."""
    while True:
        flat = re.sub(r"\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]", "x", arguments)
        if flat == arguments:
            return flat.count(",") + 1 if flat.strip() else 0
        arguments = flat


PARSER = Parser(Language(tree_sitter_powershell.language()))


def unread(text):
    """What the grammar has no reading of, as (line, text). It knows no member of a call's result as a command's argument, and no list of bare words
    there, which PowerShell does: the module does without them."""
    nodes = [PARSER.parse(text.encode()).root_node]
    while nodes:
        node = nodes.pop()
        if node.is_error or node.is_missing:
            yield node.start_point[0] + 1, f"{node.type} {node.text.decode()[:60]!r}"
        elif node.has_error:
            nodes.extend(node.children)


def balanced(text):
    """Whether brackets outside of comments and text match."""
    text = re.sub(r"<#.*?#>", "", text, flags=re.S)
    text = re.sub(r"'[^'\n]*'|\"(?:\$\([^\"\n]*?\)|[^\"\n])*\"", "''", text)
    text = re.sub(r"#[^\n]*", "", text)
    open_ones = []
    for letter in text:
        if letter in "([{":
            open_ones.append(letter)
        elif letter in ")]}":
            if not open_ones or open_ones.pop() + letter not in ("()", "[]", "{}"):
                return False
    return not open_ones


CHECKS = ("exports", "manifest", "verbs", "help", "parameters", "secrets", "assembly", "arguments", "syntax", "grammar")

# Each of these changes must be noticed, by the check named: else the check is none.
MISTAKES = (
    ("exports", "manifest", "'Get-AmtLibrary'", "'Get-AmtLibary'"),
    ("exports", "module", "    'Clear-AmtBoot'\n", ""),
    ("manifest", "manifest", "'5.1'", "'7.0'"),
    ("verbs", "module", "Initialize-AmtMachine", "Provision-AmtMachine"),
    ("help", "module", "    .PARAMETER Suffix\n", "    .PARAMETER Sufix\n"),
    ("help", "module", "[string] $KeyPath,", "[string] $KeyFile,"),
    ("parameters", "module", "SupportsShouldProcess = $true, ", ""),
    ("secrets", "module", "[System.Security.SecureString] $Password", "[string] $Password"),
    ("assembly", "module", "$job.SetSuffix(", "$job.SetSufix("),
    ("assembly", "module", "[Amt.Hello]::Parse", "[Amt.Hello]::Decode"),
    ("assembly", "module", "$Server.NextQuestion()", "$Server.NextQuery()"),
    ("assembly", "module", "$machine.CreateJob()", "$machine.NewJob()"),
    ("arguments", "module", "$machine.Unprovision($job, $Extent)", "$machine.Unprovision($job)"),
    ("arguments", "module", "$Device.GetClock()", "$Device.GetClock($true)"),
    ("syntax", "module", "Set-StrictMode -Version 2.0", "Set-StrictMode -Version (2.0"),
    ("syntax", "module", "$admin = @(", "$admin = $null ?? @("),
    ("grammar", "module", "foreach ($known in $KnownCredential)", "foreach ($known of $KnownCredential)"),
    ("grammar", "module", "-isnot [Amt.AmtException]) {", "-isnot [Amt.AmtException]) then {"),
    ("grammar", "manifest", "AliasesToExport = @()", "AliasesToExport = @(,)"),
)


def main():
    members = [member.get("name") for member in ElementTree.parse(sys.argv[1]).iter("member")]
    texts = {"manifest": (MODULE / "Amt.psd1").read_text(), "module": module_text()}
    found = problems(texts["manifest"], texts["module"], members)
    failed = False
    for check in CHECKS:
        mine = [problem for name, problem in found if name == check]
        failed |= bool(mine)
        print(f"FAILED PowerShell: {check}: {'; '.join(mine)}" if mine else f"ok PowerShell: {check}")
    for check, which, before, after in MISTAKES:
        changed = dict(texts, **{which: texts[which].replace(before, after)})
        noticed = changed != texts and any(name == check for name, _ in problems(changed["manifest"], changed["module"], members))
        failed |= not noticed
        print(f"{'ok' if noticed else 'FAILED'} PowerShell: a mistake is noticed: {before.strip()}{'' if noticed else ': it is not'}")
    sys.exit(failed)


main()
