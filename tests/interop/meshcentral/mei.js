// Run by MeshAgent: what its own code reads from the device is what `amt info` read.
var fs = require('fs');
addModule('amt-mei', fs.readFileSync('amt-mei.js').toString());
var Mei = require('amt-mei');
var info = JSON.parse(fs.readFileSync('info.json').toString());
var bad = 0;

function check(what, theirs, ours) {
    if (theirs === ours) { console.log('ok mei ' + what); return; }
    console.log('FAILED mei ' + what + ': ' + JSON.stringify(theirs) + ', expected ' + JSON.stringify(ours));
    bad++;
}

var mei = new Mei();
mei.on('error', function (error) { console.log('FAILED mei: ' + error); process.exit(1); });
mei.getVersion(function (told) {
    var versions = {};
    for (var i in told.Versions) { versions[told.Versions[i].Description] = told.Versions[i].Version; }
    check('BIOS', told.BiosVersion, info.bios);
    check('version', versions.AMT + '.' + versions['Build Number'], info.version);
    check('sku', versions.Sku, info.versions.Sku);
    mei.getUuid(function (told) {
        check('uuid', told.uuid, info.uuid);
        mei.getControlMode(function (told) {
            check('control mode', told.controlMode, 0);
            mei.getProvisioningState(function (told) {
                check('state', told.state, 0);
                mei.getLocalSystemAccount(function (told) {
                    check('account', told.user.split('\0')[0], '$$osadmin');
                    process.exit(bad ? 1 : 0);
                });
            });
        });
    });
});
