// Writes a setup.bin for a USB stick: it gives a machine of AMT 2 to 10 a password and a fresh pre-shared pair.
// SetupBin.exe FILE, the new password in AMT_PASSWORD (it goes into JSON as it is: no backslash in it)
using System;
using System.IO;
using System.Net;
using Amt;

internal static class SetupBinExample
{
    private static int Main(string[] arguments)
    {
        string password = Environment.GetEnvironmentVariable("AMT_PASSWORD");
        try
        {
            using (Psk pair = Psk.Generate())
            {
                string pps = new NetworkCredential("", pair.GetPps()).Password;
                string entries = string.Format(
                    "\"current_password\": \"admin\", \"new_password\": \"{0}\", \"pid\": \"{1}\", \"pps\": \"{2}\"", password, pair.Pid, pps);
                using (SetupBin setup = SetupBin.FromJson("{\"records\": [{\"entries\": {" + entries + "}}]}"))
                {
                    byte[] file = setup.ToArray();
                    File.WriteAllBytes(arguments[0], file);
                    Console.WriteLine("{0}: {1} bytes, {2}; the setup server needs its PPS", arguments[0], file.Length, pair);
                }
            }
            return 0;
        }
        catch (AmtException error)
        {
            Console.Error.WriteLine("{0} at {1}: {2}\n{3}", error.Name, error.Stage, error.Message, error.Hint);
            return 1;
        }
    }
}
