// MeshCentral's own setup.bin reader and writer against `amt setupbin`: each reads what the other wrote.
//
//   node setupbin.js FOLDER_OF_MESHCENTRAL_AMT AMT
//
// Prints "ok WHAT" or "FAILED WHAT: WHY" for each check; exit status 1 if one failed.
'use strict';
const { execFileSync } = require('child_process');
const path = require('path');

const [folder, amt] = process.argv.slice(2);

// Functions that MeshCentral's module expects of its surroundings: hex, and the text of a GUID in Microsoft's order.
global.rstr2hex = text => Buffer.from(text, 'latin1').toString('hex');
global.hex2rstr = hex => Buffer.from(hex, 'hex').toString('latin1');
global.guidToStr = hex => [[6, 8], [4, 6], [2, 4], [0, 2], null, [10, 12], [8, 10], null, [14, 16], [12, 14], null, [16, 20], null, [20, 32]]
    .map(part => part ? hex.substring(...part) : '-').join('');

const stack = require(path.resolve(folder, 'amt-setupbin.js'))();

// Module, variable, its value here, its value for MeshCentral, the oldest version of a file with it.
const VARIABLES = [
    [1, 1, 'admin', 'admin', 1],
    [1, 2, 'Abcd123!', 'Abcd123!', 1],
    [1, 3, 1, 1, 1],
    [1, 6, '7322734623DC432FA98A13D37982D855', '46732273-dc23-2f43-a98a-13d37982d855', 3],
    [2, 1, 'AMT1SET7', 'AMT1SET7', 1],
    [2, 2, 'CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD', 'CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD', 1],
    [2, 3, 'example.com', 'example.com', 2],
    [2, 8, { algorithm: 'sha1', digest: '07'.repeat(20), name: 'Lab' }, '\x01' + '\x07'.repeat(20) + '\x03Lab', 2],
    [2, 13, 2, 2, 3],
    [2, 17, '203.0.113.7', '\x07\x71\x00\xcb', 3],
    [2, 18, 9971, 9971, 3],
    [2, 26, 255, 255, 3],
    [2, 28, 1, 1, 3],
    [2, 30, 258, 258, 3],
    [2, 33, 'Code 7', 'Code 7', 3],
];

let failed = 0;

for (const version of [1, 2, 3, 4]) {
    for (const scrambled of version === 4 ? [false, true] : [false]) {
        const name = `version ${version}${scrambled ? ', scrambled' : ''}`;
        const variables = VARIABLES.filter(([, , , , since]) => since <= version);
        check(`${name}: theirs is read, and made again from values`, () => {
            const bytes = theirs(version, scrambled, variables);
            const shown = JSON.parse(run(['show', '--json', '--reveal', '-'], bytes));
            same(shown.version, version === 2 ? '2.0' : `${version}`);
            same(shown.records.map(record => record.scrambled), [scrambled, scrambled]);
            for (const record of shown.records) {
                same(record.entries.map(entry => [entry.module, entry.variable, entry.value]), variables.map(v => v.slice(0, 3)));
                record.entries.forEach(entry => { delete entry.hex; });
            }
            same(run(['create', '--from', '-', '-o', '-'], JSON.stringify(shown)).toString('hex'), bytes.toString('hex'));
        });
        check(`${name}: ours is what they write, and they read it`, () => {
            const entries = variables.map(([module, variable, value]) => ({ module, variable, value }));
            const record = { scrambled, entries };
            const description = { version, reusable: version > 1, records: [record, record] };
            const bytes = run(['create', '--from', '-', '-o', '-'], JSON.stringify(description));
            same(bytes.toString('hex'), theirs(version, scrambled, variables).toString('hex'));
            const file = stack.AmtSetupBinDecode(bytes.toString('latin1'));
            same([file.fileType, file.records.length, file.flags], [version, 2, version > 1 ? 1 : 0]);
            const read = file.records[1].variables.map(v => [v.moduleid, v.varid, v.value]);
            same(read, variables.map(v => [v[0], v[1], v[3]]));
        });
    }
}
process.exit(failed === 0 ? 0 : 1);

function theirs(version, scrambled, variables) {
    const file = stack.AmtSetupBinCreate(version, version > 1 ? 1 : 0);
    for (let at = 0; at < 2; at++) {
        file.records.push({
            typeIdentifier: 1,
            flags: scrambled ? 3 : 1,
            variables: variables.map(([moduleid, varid, , value]) => ({ moduleid, varid, value })),
        });
    }
    return Buffer.from(stack.AmtSetupBinEncode(file), 'latin1');
}

function run(command, input) {
    return execFileSync(amt, ['setupbin', ...command], { input, stdio: ['pipe', 'pipe', 'inherit'] });
}

function same(got, wanted) {
    const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (a !== b) throw new Error(`${a} instead of ${b}`);
}

function check(what, body) {
    try {
        body();
        console.log(`ok ${what}`);
    } catch (error) {
        failed++;
        console.log(`FAILED ${what}: ${error.message}`);
    }
}
