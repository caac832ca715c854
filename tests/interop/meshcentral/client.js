// MeshCentral's AMT stack against machines that `amt demo --hold` provisioned, with the exported credentials.
//
//   node client.js FOLDER_OF_MESHCENTRAL_AMT CREDENTIALS.json
//
// Prints "ok WHAT" or "FAILED WHAT: WHY" for each check; exit status 1 if one failed or none was made.
'use strict';
const fs = require('fs');
const path = require('path');
const tls = require('tls');

const [folder, credentialsFile] = process.argv.slice(2);
const stack = name => require(path.resolve(folder, name));
const createComm = stack('amt-wsman-comm.js');
const createWsman = stack('amt-wsman.js');
const createAmt = stack('amt.js');

const SECONDS = 20;
let failed = 0;
let passed = 0;

async function main() {
    const { machines } = JSON.parse(fs.readFileSync(credentialsFile, 'utf8'));
    if (!machines || machines.length === 0) throw new Error('no machines in ' + credentialsFile);
    for (const machine of machines) await visit(machine);
    await refusal(machines[0]);
    process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

async function visit(machine) {
    const name = machine.uuid;
    const amt = connect(machine, machine.credentials[0].password);
    await check(name + ' AMT_GeneralSettings.Get', async () => {
        const { status, response } = await ask(done => amt.Get('AMT_GeneralSettings', done));
        expect(status === 200, 'status ' + status);
        expect(response.Body.DigestRealm.startsWith('Digest:'), 'realm ' + response.Body.DigestRealm);
        expect(response.Body.DigestRealm === amt.wsman.comm.digestRealm, 'the challenge names another realm');
    });
    await check(name + ' CIM_SoftwareIdentity.Enumerate', async () => {
        const { status, response } = await ask(done => amt.Enum('CIM_SoftwareIdentity', done));
        expect(status === 200, 'status ' + status);
        const version = response.find(item => item.InstanceID === 'AMT');
        expect(version && /^\d+\.\d+\.\d+$/.test(version.VersionString), 'no AMT version in ' + JSON.stringify(response));
    });
    await check(name + ' AMT_PublicKeyCertificate.Enumerate', async () => {
        const { status, response } = await ask(done => amt.Enum('AMT_PublicKeyCertificate', done));
        expect(status === 200, 'status ' + status);
        const served = amt.wsman.comm.xtlsCertificate.raw.toString('base64');
        expect(response.some(item => item.X509Certificate === served), 'the served certificate is not in the store');
    });
    await check(name + ' fault for a class that does not exist', async () => {
        const { status } = await ask(done => amt.Get('AMT_NoSuchClass', done));
        expect(status === 400, 'status ' + status + ', not 400');
    });
}

async function refusal(machine) {
    await check(machine.uuid + ' refuses another password', async () => {
        const amt = connect(machine, 'Wrong-Passw0rd!');
        const { status } = await ask(done => amt.Get('AMT_GeneralSettings', done));
        expect(status === 401, 'status ' + status + ', not 401');
    });
}

function connect(machine, password) {
    const comm = createComm(machine.address, 16993, machine.credentials[0].user, password, 1, null, null);
    // The exported certificate is a pin; the stack compares it itself.
    comm.xtlsFingerprint = machine.certificate_sha256 || 0;
    // Its own list of suites is RSA key exchange only, which firmware of this age no longer has to offer.
    comm.tls = { connect: (port, host, options, done) => tls.connect(port, host, { ...options, ciphers: undefined, secureOptions: 0 }, done) };
    return createAmt(createWsman(comm));
}

function ask(call) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no answer in ' + SECONDS + ' s')), SECONDS * 1000);
        call((stack, name, response, status) => { clearTimeout(timer); resolve({ response, status }); });
    });
}

async function check(what, body) {
    try {
        await body();
        passed++;
        console.log('ok ' + what);
    } catch (error) {
        failed++;
        console.log('FAILED ' + what + ': ' + error.message);
    }
}

function expect(condition, why) {
    if (!condition) throw new Error(why);
}

main().catch(error => { console.log('FAILED ' + error.stack); process.exit(1); });
