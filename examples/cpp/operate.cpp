// Says how a provisioned machine stands and what it reported last, and boots it once from the network.
#include "example.hpp"

static int operate(const std::vector<std::string> &arguments)
{
    const std::string &address = arguments[0], &name = arguments[2], user = "admin";
    const auto roots = read_file(arguments[1]);
    const auto password = secret("AMT_PASSWORD");

    Handle<amt_device, amt_device_free> device;
    Handle<amt_document, amt_document_free> reply;
    Error err;
    must(amt_device_new(address.data(), address.size(), 0, user.data(), user.size(), password.data(), password.size(), out(device),
                        err),
         err);
    must(amt_device_trust_roots(device.get(), roots.data(), roots.size(), name.data(), name.size(), err), err);
    must(amt_device_power(device.get(), out(reply), err), err);
    std::cout << text(reply, amt_document_json) << '\n';
    must(amt_device_event_log(device.get(), out(reply), err), err);
    std::cout << text(reply, amt_document_json) << '\n';
    must(amt_device_boot(device.get(), AMT_BOOT_PXE, nullptr, 0, 0, AMT_THEN_START, out(reply), err), err);
    std::cout << text(reply, amt_document_json) << '\n';
    return 0;
}

int main(int argc, char **argv) { return example(argc, argv, "operate ADDRESS CA-PEM NAME", operate); }
